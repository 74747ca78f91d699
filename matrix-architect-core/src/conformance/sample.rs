//! Jobs and commits that cases begin with.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    error::Result,
    event::{Actor, Event, StageOutput},
    id::{CommitId, Digest, JobId, PrincipalId, RequestId, TenantId, WorkerId},
    job::{JobConstraints, JobSpec, NewJob, Priority},
    pipeline::{Dispatch, JobRecord, Stage},
    plan::{Base, Change, Plan, RepoSpec},
    tenant::JobRef,
    time::Timestamp,
    traits::{Commit, Fence, LeaseRequest},
};

/// What a requester submits: a plain folder and a goal.
pub fn spec() -> JobSpec {
    JobSpec {
        repo: RepoSpec::Local { path: "/srv/source".to_owned(), reference: None, subfolder: None },
        goal: "say hello".to_owned(),
        change: Change::Goal,
        verify_commands: Vec::new(),
        constraints: JobConstraints::default(),
        deployments: Vec::new(),
        publish: Vec::new(),
        priority: Priority::default(),
        labels: BTreeMap::new(),
        idempotency_key: None,
    }
}

/// The tenant of that name.
///
/// # Errors
/// `Invalid` if it is no name.
pub fn tenant(name: &str) -> Result<TenantId> {
    TenantId::new(name)
}

/// A worker.
pub fn worker(number: u128) -> WorkerId {
    WorkerId::from_number(number)
}

/// Job `number` of a tenant, to be created.
pub fn new_job(tenant: &TenantId, number: u128, at: Timestamp) -> NewJob {
    NewJob {
        job: JobRef::new(tenant.clone(), JobId::from_number(number)),
        spec: spec(),
        requested_by: PrincipalId::from_number(1),
        at,
    }
}

/// A commit of `events` that follows `record`, whose dispatch the rules say.
///
/// # Errors
/// `Conflict` if the rules forbid an event.
pub fn commit(
    record: &JobRecord,
    number: u128,
    fence: Option<Fence>,
    events: Vec<Event>,
    now: Timestamp,
) -> Result<Commit> {
    let mut after = record.clone();
    for event in &events {
        after.apply(event, now)?;
    }
    Ok(Commit {
        id: CommitId::from_number(number),
        expected: record.version,
        fence,
        actor: Actor::System,
        events,
        dispatch: after.state.dispatch(now),
        outbox: Vec::new(),
        keeps: Vec::new(),
    })
}

/// A commit of nothing but when the job is next worth a worker's while.
pub fn dispatch(record: &JobRecord, number: u128, dispatch: Dispatch) -> Commit {
    Commit {
        id: CommitId::from_number(number),
        expected: record.version,
        fence: None,
        actor: Actor::System,
        events: Vec::new(),
        dispatch,
        outbox: Vec::new(),
        keeps: Vec::new(),
    }
}

/// A request for up to `max` leases of half a minute.
pub fn request(number: u128, max: usize) -> LeaseRequest {
    LeaseRequest::new(RequestId::from_number(number), worker(number))
        .max(max)
        .term(Duration::from_secs(30))
}

/// A worker begins PLAN.
pub fn started(worker: &WorkerId) -> Event {
    Event::Started { stage: Stage::Plan, worker: worker.clone() }
}

/// PLAN is done.
pub fn planned() -> Event {
    let tree = Digest::of(b"tree");
    Event::Finished(StageOutput::Plan {
        plan: Box::new(Plan::default()),
        plan_hash: Digest::of(b"plan"),
        base: Base { commit: None, branch: None, tree },
    })
}

/// Somebody wants the job to stop.
pub fn cancelled() -> Event {
    Event::CancelRequested { reason: Some("changed my mind".to_owned()) }
}
