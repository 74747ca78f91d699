//! What a write does to a job.

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    event::{Actor, Event, EventEnvelope},
    id::WorkerId,
    job::NewJob,
    pipeline::{Dispatch, EVENT_VERSION, JobRecord},
    tenant::JobRef,
    time::Timestamp,
    traits::{Commit, Fence, Message},
};

/// What a write adds to a job.
#[derive(Debug)]
pub(crate) struct Change {
    /// The job after it.
    pub(crate) record: JobRecord,
    /// The events, numbered.
    pub(crate) envelopes: Vec<EventEnvelope>,
    /// When the job is next worth a worker's while.
    pub(crate) dispatch: Dispatch,
    /// What the outside is told of it.
    pub(crate) messages: Vec<Message>,
}

/// Decides a commit that was not answered before.
pub(crate) fn commit(
    record: &JobRecord,
    latest: Fence,
    commit: &Commit,
    now: Timestamp,
) -> Result<Change> {
    if commit.fence.is_some_and(|fence| fence != latest) {
        return Err(Error::new(ErrorKind::Fenced, "another worker has claimed the job")
            .context("job", &record.job.id));
    }
    if commit.expected != record.version {
        return Err(Error::new(ErrorKind::Conflict, "the job's version moved")
            .code("version_moved")
            .context("job", &record.job.id)
            .context("expected", commit.expected.0)
            .context("version", record.version.0)
            .advice("load the job and commit again if the event is still legal"));
    }
    let change = follow(record, &commit.actor, commit.events.clone(), commit.dispatch, now)?;
    Ok(Change { messages: commit.outbox.clone(), ..change })
}

/// Decides what a claim must record before the job may be leased: a job in an active phase without
/// a lease has lost its worker.
pub(crate) fn take_over(
    record: &JobRecord,
    lost: Option<WorkerId>,
    now: Timestamp,
) -> Result<Option<Change>> {
    if !record.state.phase.is_active() {
        return Ok(None);
    }
    let event = Event::WorkerLost { worker: lost };
    let mut change = follow(record, &Actor::System, vec![event], Dispatch::Park, now)?;
    change.dispatch = change.record.state.dispatch(now);
    change.messages.extend(Message::of_change(record, &change.record));
    Ok(Some(change))
}

fn follow(
    record: &JobRecord,
    actor: &Actor,
    events: Vec<Event>,
    dispatch: Dispatch,
    now: Timestamp,
) -> Result<Change> {
    let mut record = record.clone();
    let mut envelopes = Vec::with_capacity(events.len());
    for event in events {
        let applied = record.apply(&event, now);
        applied.map_err(|illegal| Error::from(illegal).context("job", &record.job.id))?;
        let (seq, actor) = (record.version.0, actor.clone());
        envelopes.push(EventEnvelope { seq, at: now, actor, v: EVENT_VERSION, event });
    }
    // The rules know better than a caller when a job is over.
    let over = record.state.phase.is_terminal();
    let dispatch = if over { Dispatch::Done } else { dispatch };
    Ok(Change { record, envelopes, dispatch, messages: Vec::new() })
}

/// Whether `new` asks for what `stored` was created for.
pub(crate) fn is_same(stored: &JobRecord, new: &NewJob) -> bool {
    stored.spec == new.spec && stored.job.requested_by == new.requested_by
}

/// The answer to a job that is there with other content.
pub(crate) fn clash(stored: &JobRecord, new: &NewJob) -> Error {
    let error = Error::new(ErrorKind::AlreadyExists, "another job has this id or key")
        .context("job", &stored.job.id);
    if stored.job.id == new.job.id {
        return error.code("id_taken").advice("choose another id");
    }
    error.code("idempotency_mismatch").advice("choose another idempotency key")
}

/// The answer to a job that is not there, or not for this tenant.
pub(crate) fn no_such_job(job: &JobRef) -> Error {
    Error::not_found("no such job").context("job", &job.id)
}
