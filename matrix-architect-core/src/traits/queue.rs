//! Which job next, and who holds it.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Candidate, Fence};
use crate::{
    error::Result,
    id::{RequestId, TenantId, WorkerId},
    job::Priority,
    pipeline::JobRecord,
    tenant::JobRef,
};

/// Who asks for leases, how many and for how long.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LeaseRequest {
    /// The request's name: repeating it returns the same leases.
    pub id: RequestId,
    /// Who asks.
    pub worker: WorkerId,
    /// At most so many.
    pub max: usize,
    /// For how long. The holder counts it monotonically from before it sent the request.
    pub term: Duration,
    /// How long to wait for a job if there is none.
    pub wait: Duration,
    /// The newest version of the rules the worker can fold.
    pub rules: u32,
}

impl LeaseRequest {
    /// A request for one job, for 30 seconds, without waiting.
    pub const fn new(id: RequestId, worker: WorkerId) -> Self {
        Self {
            id,
            worker,
            max: 1,
            term: Duration::from_secs(30),
            wait: Duration::ZERO,
            rules: crate::pipeline::RULES_VERSION,
        }
    }

    /// At most so many.
    #[must_use]
    pub const fn max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// For so long.
    #[must_use]
    pub const fn term(mut self, term: Duration) -> Self {
        self.term = term;
        self
    }

    /// Waiting so long for a job if there is none.
    #[must_use]
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }
}

/// A job in the hands of one worker.
#[derive(Clone, Debug)]
pub struct Lease {
    /// Which job.
    pub job: JobRef,
    /// The token every write of the holder carries.
    pub fence: Fence,
    /// Who holds it.
    pub worker: WorkerId,
    /// For how long from the moment the request was sent.
    pub term: Duration,
    /// The job as it was leased.
    pub record: JobRecord,
}

/// What a renewal finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// The lease holds for another term.
    Held,
    /// It holds, and somebody wants the job to stop.
    Cancelling,
    /// Somebody else has the job, or it is done: stop at once.
    Lost,
}

/// What is in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStats {
    /// Jobs ready to be leased, by [`Priority::rank`].
    pub ready: [u64; 3],
    /// Jobs whose time has not come, and parked ones.
    pub waiting: u64,
    /// Jobs under an unexpired lease.
    pub leased: u64,
    /// Whether leasing is paused.
    pub paused: bool,
}

impl QueueStats {
    /// Jobs ready to be leased at that priority.
    pub const fn depth(&self, priority: Priority) -> u64 {
        self.ready[priority.rank() as usize]
    }
}

/// Which job next, and who holds it. It only ever hints: the store mints the fence.
///
/// # Contract
/// 1. `an_offered_job_is_leased` once, with the fence the store minted.
/// 2. `offering_twice_is_offering_once`.
/// 3. `higher_priority_goes_first`, then earlier run-at, among the jobs of one tenant; but
///    `a_low_job_does_not_starve`.
/// 4. `tenants_take_turns`: however many jobs one has, another's first is not behind all of them.
///    `turns_are_remembered` from one request to the next.
/// 5. `a_job_before_its_time_is_not_leased`, and is once it has come.
/// 6. `a_lapsed_lease_is_leased_again`, with a higher fence.
/// 7. `a_renewed_lease_does_not_lapse`.
/// 8. `a_renewal_tells_of_a_cancellation`.
/// 9. `a_lost_lease_is_told`: after another claim or the job's end.
/// 10. `a_released_job_can_be_leased_at_once`, and its old lease is `Lost`; releasing with a stale
///     fence changes nothing.
/// 11. `a_paused_queue_leases_nothing` and goes on where it was after `resume`; leases are still
///     renewed. `a_paused_tenant_does_not_hold_up_others`.
/// 12. `the_stats_count_what_is_there`.
/// 13. `a_wait_ends_when_a_job_comes` or `a_wait_ends_when_a_moment_comes`, and an empty one after
///     its time with no lease.
/// 14. `a_repeated_request_returns_the_same_leases`.
/// 15. `another_tenants_lease_is_not_found`.
///
/// All time is the store's clock.
///
/// # Cancellation
/// A dropped `lease` may have leased: repeat it with the same request id, or let it lapse.
#[async_trait]
pub trait Queue: Debug + Send + Sync + 'static {
    /// Hints that these jobs may be worth leasing. Idempotent.
    async fn offer(&self, candidates: &[Candidate]) -> Result<()>;

    /// Leases jobs.
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Lease>>;

    /// Holds a job for another term.
    async fn renew(&self, job: &JobRef, fence: Fence, term: Duration) -> Result<Renewal>;

    /// Gives a job back: it may be leased at once if its dispatch says so.
    async fn release(&self, job: &JobRef, fence: Fence) -> Result<()>;

    /// What is in it, for one tenant or for all.
    async fn stats(&self, tenant: Option<&TenantId>) -> Result<QueueStats>;

    /// Leases nothing more until [`Queue::resume`]; for one tenant or for all.
    async fn pause(&self, tenant: Option<&TenantId>) -> Result<()>;

    /// Goes on.
    async fn resume(&self, tenant: Option<&TenantId>) -> Result<()>;
}
