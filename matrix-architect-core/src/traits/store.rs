//! Jobs and their events: the only truth.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Lease, LeaseRequest, Message};
use crate::{
    error::Result,
    event::{Actor, Event, EventEnvelope},
    id::{CommitId, Digest, MessageId, TenantId},
    job::{JobStatus, NewJob, Priority},
    pipeline::{Dispatch, JobRecord, Version},
    tenant::JobRef,
    time::Timestamp,
};

/// A fencing token: grows with every claim of a job, so that an earlier holder's write is told
/// from a later one's. Only a [`Store`] or [`Locks`](super::Locks) mints one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Fence(pub u64);

/// One atomic write to a job.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The write's name, made by the caller.
    pub id: CommitId,
    /// The version the events follow.
    pub expected: Version,
    /// The writer's token; `None` for a principal's act or a timer.
    pub fence: Option<Fence>,
    /// Who writes.
    pub actor: Actor,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// When the job is next worth a worker's while:
    /// [`JobState::dispatch`](crate::pipeline::JobState::dispatch) of the state after the events.
    pub dispatch: Dispatch,
    /// Messages to the outside.
    pub outbox: Vec<Message>,
    /// Artifacts the job refers to from now on, kept from garbage collection.
    pub keeps: Vec<Digest>,
}

/// The answer to a commit.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Committed {
    /// The version after it.
    pub version: Version,
    /// The store's time that the events carry.
    pub at: Timestamp,
}

impl Committed {
    /// An answer of its parts.
    pub const fn new(version: Version, at: Timestamp) -> Self {
        Self { version, at }
    }
}

/// Which jobs are listed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct JobQuery {
    /// Only jobs in one of these statuses; all if empty.
    pub statuses: Vec<JobStatus>,
    /// Only jobs that carry all these labels.
    pub labels: Vec<(String, String)>,
    /// Only the job with this idempotency key.
    pub idempotency_key: Option<String>,
    /// At most so many; 50 if 0, never more than 1,000.
    pub limit: usize,
    /// Start after the page that ended with this cursor.
    pub after: Option<String>,
}

/// A page of jobs, newest first.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobRecord>,
    /// Where the next page starts; `None` at the end.
    pub next: Option<String>,
}

impl JobPage {
    /// A page of its parts.
    pub const fn new(jobs: Vec<JobRecord>, next: Option<String>) -> Self {
        Self { jobs, next }
    }
}

/// A job that may be worth leasing: a hint, which the store checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Which job.
    pub job: JobRef,
    /// How soon it is wanted.
    pub priority: Priority,
    /// From when on.
    pub run_at: Timestamp,
}

/// Jobs and their events.
///
/// # Contract
/// 1. `a_created_job_is_loaded`, also after reopening, at version 0.
/// 2. `creating_the_same_job_twice_is_creating_it_once`; the same id with other content is
///    `AlreadyExists`. `an_idempotency_key_names_one_job_of_a_tenant`: the second call returns the
///    first job if the spec and the requester are equal, `AlreadyExists` with code
///    `idempotency_mismatch` otherwise. `a_batch_is_created_whole_or_not_at_all`.
/// 3. `a_commit_appends_events_and_moves_the_version`: by one an event; the record is the fold of
///    the history, and the history is numbered from 1 without a gap.
///    `a_history_is_read_in_pieces`.
/// 4. `a_stale_version_conflicts` and writes nothing.
/// 5. `a_stale_fence_is_fenced` and writes nothing: the token is not the job's latest.
///    `a_lapsed_lease_that_nobody_took_may_still_commit`: with the latest token, as long as nobody
///    else has claimed the job.
/// 6. `a_replayed_commit_returns_its_first_answer`, also after reopening and whatever came since.
/// 7. `an_illegal_event_is_refused` and nothing of its commit is written: the store folds with
///    [`JobRecord::apply`].
/// 8. `another_tenants_job_is_not_found`, by load, history, list and commit.
/// 9. `a_list_is_newest_first_and_pages` without a gap or a double while jobs are added;
///    `a_list_is_of_what_was_asked_for`.
/// 10. `a_claim_mints_a_higher_fence` than any before for the job.
/// 11. `a_claimed_job_cannot_be_claimed_again` before its lease has run out.
/// 12. `a_lost_worker_is_recorded_by_the_next_claim`: a job in an active phase whose lease has run
///     out gets [`Event::WorkerLost`] within the claim, so the lease's record is never active. If
///     that ends the job, it is not leased, and `a_lost_worker_that_ends_the_job_is_told`: a status
///     that the claim changes is in the outbox as [`Message::of_change`], as after a commit.
/// 13. `a_repeated_claim_request_returns_the_same_leases`: by the request's id, for an hour.
/// 14. `outbox_messages_come_in_order_until_delivered`, and those of a failed commit never.
/// 15. `a_parked_job_is_not_claimed`, and neither is one before its time;
///     `a_finished_job_is_not_claimed`, whatever its last commit's dispatch says.
///
/// All time is the store's clock. Every write is durable before it returns.
///
/// # Cancellation
/// A dropped call may or may not have had its effect; repeating it with the same id tells.
#[async_trait]
pub trait Store: Debug + Send + Sync + 'static {
    /// Creates jobs: all or none. Returns the stored records in order.
    async fn create(&self, jobs: Vec<NewJob>) -> Result<Vec<JobRecord>>;

    /// Writes events, dispatch, messages and references in one transaction.
    async fn commit(&self, job: &JobRef, commit: Commit) -> Result<Committed>;

    /// The job.
    async fn load(&self, job: &JobRef) -> Result<JobRecord>;

    /// The job's events after number `after`, at most `limit`.
    async fn history(&self, job: &JobRef, after: u64, limit: usize) -> Result<Vec<EventEnvelope>>;

    /// Jobs of a tenant.
    async fn list(&self, tenant: &TenantId, query: &JobQuery) -> Result<JobPage>;

    /// Leases those of the candidates that may be leased now.
    async fn claim(&self, candidates: &[Candidate], request: &LeaseRequest) -> Result<Vec<Lease>>;

    /// Messages not yet delivered, oldest first, at most `limit`.
    async fn outbox(&self, limit: usize) -> Result<Vec<Message>>;

    /// Forgets messages that were delivered.
    async fn delivered(&self, ids: &[MessageId]) -> Result<()>;
}

/// What only the operator of an installation may see: all tenants at once.
///
/// # Contract
/// 1. `the_operator_counts_all_tenants`.
#[async_trait]
pub trait Operator: Debug + Send + Sync + 'static {
    /// How many jobs there are in each status.
    async fn census(&self) -> Result<Vec<(TenantId, JobStatus, u64)>>;
}
