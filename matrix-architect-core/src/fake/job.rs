//! Jobs nobody asked for.

use std::collections::BTreeMap;

use crate::{
    id::{JobId, PrincipalId, TenantId},
    job::{Job, JobConstraints, JobSpec, NewJob, Priority},
    plan::{Change, RepoSpec},
    tenant::JobRef,
    time::Timestamp,
};

/// The job number `number` of the default tenant.
pub fn job_ref(number: u128) -> JobRef {
    JobRef::new(TenantId::default(), JobId::from_number(number))
}

/// A job in its first state: a plain folder, a goal, nothing deployed and nothing published.
pub fn job(reference: &JobRef, at: Timestamp) -> Job {
    let repo = RepoSpec::Local { path: "/srv/source".to_owned(), reference: None, subfolder: None };
    let spec = JobSpec {
        repo,
        goal: "say hello".to_owned(),
        change: Change::Goal,
        verify_commands: Vec::new(),
        constraints: JobConstraints::default(),
        deployments: Vec::new(),
        publish: Vec::new(),
        priority: Priority::default(),
        labels: BTreeMap::new(),
        idempotency_key: None,
    };
    let requested_by = PrincipalId::from_number(1);
    Job::new(&NewJob { job: reference.clone(), spec, requested_by, at })
}
