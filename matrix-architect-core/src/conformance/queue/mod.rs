//! Which job next, and who holds it: every promise of [`Queue`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

mod hold;
mod order;
mod wait;

use std::sync::Arc;

use super::{
    Serves,
    sample::{new_job, request},
};
use crate::{
    error::Result,
    id::{JobId, TenantId},
    job::Priority,
    pipeline::JobRecord,
    traits::{Candidate, Lease, Queue, Store},
};

pub use hold::{
    a_lapsed_lease_is_leased_again, a_lost_lease_is_told, a_released_job_can_be_leased_at_once,
    a_renewal_tells_of_a_cancellation, a_renewed_lease_does_not_lapse,
    a_repeated_request_returns_the_same_leases, another_tenants_lease_is_not_found,
};
pub use order::{
    a_job_before_its_time_is_not_leased, a_low_job_does_not_starve, a_paused_queue_leases_nothing,
    a_paused_tenant_does_not_hold_up_others, an_offered_job_is_leased, higher_priority_goes_first,
    offering_twice_is_offering_once, tenants_take_turns, turns_are_remembered,
};
pub use wait::{
    a_wait_ends_when_a_job_comes, a_wait_ends_when_a_moment_comes, the_stats_count_what_is_there,
};

/// Expands to one test per promise of [`Queue`](crate::traits::Queue). The expression makes a
/// harness that serves `dyn Queue` and the `dyn Store` beneath it.
#[macro_export]
macro_rules! queue_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            queue,
            $harness,
            [
                an_offered_job_is_leased,
                offering_twice_is_offering_once,
                higher_priority_goes_first,
                a_low_job_does_not_starve,
                tenants_take_turns,
                turns_are_remembered,
                a_job_before_its_time_is_not_leased,
                a_lapsed_lease_is_leased_again,
                a_renewed_lease_does_not_lapse,
                a_renewal_tells_of_a_cancellation,
                a_lost_lease_is_told,
                a_released_job_can_be_leased_at_once,
                a_paused_queue_leases_nothing,
                a_paused_tenant_does_not_hold_up_others,
                the_stats_count_what_is_there,
                a_wait_ends_when_a_job_comes,
                a_wait_ends_when_a_moment_comes,
                a_repeated_request_returns_the_same_leases,
                another_tenants_lease_is_not_found,
            ]
        );
    };
}

/// What the cases need of a harness.
trait Both: Serves<dyn Queue> + Serves<dyn Store> {
    fn queue(&self) -> Arc<dyn Queue> {
        self.backend()
    }

    fn store(&self) -> Arc<dyn Store> {
        self.backend()
    }
}

impl<H: Serves<dyn Queue> + Serves<dyn Store>> Both for H {}

/// Creates a job and offers it.
async fn offered(
    harness: &impl Both,
    owner: &TenantId,
    number: u128,
    priority: Priority,
) -> Result<JobRecord> {
    let mut job = new_job(owner, number, harness.now().await);
    job.spec.priority = priority;
    let record = harness.store().create(vec![job]).await?.remove(0);
    offer(harness, &record).await?;
    Ok(record)
}

async fn offer(harness: &impl Both, record: &JobRecord) -> Result<()> {
    let candidate = Candidate {
        job: record.job.reference(),
        priority: record.job.priority,
        run_at: harness.now().await,
    };
    harness.queue().offer(&[candidate]).await
}

async fn normal(harness: &impl Both, number: u128) -> Result<JobRecord> {
    offered(harness, &TenantId::default(), number, Priority::Normal).await
}

async fn leased(harness: &impl Both, number: u128, max: usize) -> Result<Vec<Lease>> {
    harness.queue().lease(&request(number, max)).await
}

async fn one(harness: &impl Both, number: u128) -> Result<Lease> {
    let mut leases = leased(harness, number, 1).await?;
    assert_eq!(leases.len(), 1, "a ready job is leased");
    Ok(leases.remove(0))
}

fn ids(leases: &[Lease]) -> Vec<JobId> {
    leases.iter().map(|lease| lease.job.id.clone()).collect()
}

fn numbers(numbers: impl IntoIterator<Item = u128>) -> Vec<JobId> {
    numbers.into_iter().map(JobId::from_number).collect()
}
