//! Which job next, and who holds it: every promise of [`Queue`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Serves,
    check::refused,
    sample::{cancelled, commit, dispatch, new_job, request, started, tenant},
};
use crate::{
    error::{ErrorKind, Result},
    id::{JobId, TenantId},
    job::Priority,
    pipeline::{Dispatch, JobRecord},
    tenant::JobRef,
    traits::{Candidate, Fence, Lease, Queue, Renewal, Store},
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

/// Promise 1.
pub async fn an_offered_job_is_leased(
    harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let record = normal(&harness, 1).await?;
    let lease = one(&harness, 1).await?;
    assert_eq!(lease.record, record);
    assert_eq!(lease.job, record.job.reference());
    assert_eq!((lease.worker, lease.term), (request(1, 1).worker, request(1, 1).term));
    assert!(leased(&harness, 2, 1).await?.is_empty(), "once");
    let now = harness.now().await;
    let write = commit(&record, 1, Some(lease.fence), vec![started(&request(1, 1).worker)], now)?;
    harness.store().commit(&lease.job, write).await?;
    Ok(())
}

/// Promise 2.
pub async fn offering_twice_is_offering_once(
    harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let record = normal(&harness, 1).await?;
    offer(&harness, &record).await?;
    assert_eq!(leased(&harness, 1, 10).await?.len(), 1);
    offer(&harness, &record).await?;
    assert!(leased(&harness, 2, 10).await?.is_empty());
    let nobody = Candidate {
        job: JobRef::new(TenantId::default(), JobId::from_number(99)),
        priority: Priority::High,
        run_at: harness.now().await,
    };
    harness.queue().offer(&[nobody]).await?;
    assert!(leased(&harness, 3, 10).await?.is_empty(), "a hint is only a hint");
    Ok(())
}

/// Promise 3.
pub async fn higher_priority_goes_first(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let home = TenantId::default();
    let order = [Priority::Low, Priority::Normal, Priority::High, Priority::Normal, Priority::High];
    for (number, priority) in (1..).zip(order) {
        offered(&harness, &home, number, priority).await?;
        harness.elapse(Duration::from_millis(1)).await;
    }
    assert_eq!(ids(&leased(&harness, 1, 2).await?), numbers([3, 5]));
    assert_eq!(ids(&leased(&harness, 2, 9).await?), numbers([2, 4, 1]));
    Ok(())
}

/// Promise 3, its limit.
pub async fn a_low_job_does_not_starve(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let home = TenantId::default();
    offered(&harness, &home, 1, Priority::Low).await?;
    harness.elapse(Duration::from_hours(24)).await;
    for number in 2..5 {
        offered(&harness, &home, number, Priority::High).await?;
    }
    assert_eq!(ids(&leased(&harness, 1, 1).await?), numbers([1]));
    Ok(())
}

/// Promise 4.
pub async fn tenants_take_turns(harness: impl Serves<dyn Queue> + Serves<dyn Store>) -> Result<()> {
    let (busy, small) = (tenant("busy")?, tenant("small")?);
    for number in 1..=20 {
        offered(&harness, &busy, number, Priority::High).await?;
    }
    for number in 101..=102 {
        offered(&harness, &small, number, Priority::Low).await?;
    }
    let first = leased(&harness, 1, 4).await?;
    let count = |owner| first.iter().filter(|lease| lease.job.tenant == owner).count();
    assert_eq!((count(busy), count(small)), (2, 2));
    assert_eq!(leased(&harness, 2, 100).await?.len(), 18, "and nobody is forgotten");
    Ok(())
}

/// Promise 4, from one request to the next.
pub async fn turns_are_remembered(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let (one_tenant, other) = (tenant("one")?, tenant("other")?);
    for number in 1..=4 {
        offered(&harness, &one_tenant, number, Priority::Normal).await?;
        offered(&harness, &other, number + 100, Priority::Normal).await?;
    }
    let mut owners = Vec::new();
    for number in 1..=8 {
        owners.push(one(&harness, number).await?.job.tenant);
        harness.reopen().await;
    }
    for pair in owners.chunks(2) {
        let pair: BTreeSet<_> = pair.iter().collect();
        assert_eq!(pair.len(), 2, "one lease each in every two: {owners:?}");
    }
    Ok(())
}

/// Promise 5.
pub async fn a_job_before_its_time_is_not_leased(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let record = normal(&harness, 1).await?;
    let at = harness.now().await + Duration::from_mins(1);
    let write = dispatch(&record, 1, Dispatch::Ready { at });
    harness.store().commit(&record.job.reference(), write).await?;
    harness.elapse(Duration::from_secs(59)).await;
    assert!(leased(&harness, 1, 1).await?.is_empty());
    harness.elapse(Duration::from_secs(1)).await;
    one(&harness, 2).await?;
    Ok(())
}

/// Promise 6.
pub async fn a_lapsed_lease_is_leased_again(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    normal(&harness, 1).await?;
    let first = one(&harness, 1).await?;
    harness.elapse(Duration::from_secs(29)).await;
    assert!(leased(&harness, 2, 1).await?.is_empty());
    harness.elapse(Duration::from_secs(1)).await;
    let second = one(&harness, 3).await?;
    assert_eq!(second.job, first.job);
    assert!(second.fence > first.fence);
    Ok(())
}

/// Promise 7.
pub async fn a_renewed_lease_does_not_lapse(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    normal(&harness, 1).await?;
    let lease = one(&harness, 1).await?;
    for round in 0..4 {
        harness.elapse(Duration::from_secs(20)).await;
        let renewed = harness.queue().renew(&lease.job, lease.fence, lease.term).await?;
        assert_eq!(renewed, Renewal::Held);
        assert!(leased(&harness, 10 + round, 1).await?.is_empty());
    }
    harness.elapse(Duration::from_secs(30)).await;
    assert!(one(&harness, 20).await?.fence > lease.fence);
    Ok(())
}

/// Promise 8.
pub async fn a_renewal_tells_of_a_cancellation(
    harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let record = normal(&harness, 1).await?;
    let lease = one(&harness, 1).await?;
    let (store, queue, now) = (harness.store(), harness.queue(), harness.now().await);
    let begin = commit(&record, 1, Some(lease.fence), vec![started(&lease.worker)], now)?;
    store.commit(&lease.job, begin).await?;
    assert_eq!(queue.renew(&lease.job, lease.fence, lease.term).await?, Renewal::Held);
    let running = store.load(&lease.job).await?;
    store.commit(&lease.job, commit(&running, 2, None, vec![cancelled()], now)?).await?;
    assert_eq!(queue.renew(&lease.job, lease.fence, lease.term).await?, Renewal::Cancelling);
    assert!(leased(&harness, 2, 1).await?.is_empty(), "it is held all the same");
    Ok(())
}

/// Promise 9.
pub async fn a_lost_lease_is_told(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let record = normal(&harness, 1).await?;
    let old = one(&harness, 1).await?;
    harness.elapse(Duration::from_secs(31)).await;
    let new = one(&harness, 2).await?;
    let (store, queue) = (harness.store(), harness.queue());
    assert_eq!(queue.renew(&old.job, old.fence, old.term).await?, Renewal::Lost);
    assert_eq!(queue.renew(&new.job, new.fence, new.term).await?, Renewal::Held);
    let write = commit(&record, 1, None, vec![cancelled()], harness.now().await)?;
    store.commit(&record.job.reference(), write).await?;
    assert_eq!(queue.renew(&new.job, new.fence, new.term).await?, Renewal::Lost, "it is done");
    Ok(())
}

/// Promise 10.
pub async fn a_released_job_can_be_leased_at_once(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    normal(&harness, 1).await?;
    let first = one(&harness, 1).await?;
    harness.queue().release(&first.job, first.fence).await?;
    harness.queue().release(&first.job, first.fence).await?;
    let renewed = harness.queue().renew(&first.job, first.fence, first.term).await?;
    assert_eq!(renewed, Renewal::Lost, "what was given back is no longer held");
    let second = one(&harness, 2).await?;
    assert!(second.fence > first.fence);
    harness.queue().release(&first.job, first.fence).await?;
    assert!(leased(&harness, 3, 1).await?.is_empty(), "a stale release changes nothing");
    harness.elapse(Duration::from_secs(1)).await;
    let renewed = harness.queue().renew(&second.job, second.fence, second.term).await?;
    assert_eq!(renewed, Renewal::Held);
    Ok(())
}

/// Promise 11.
pub async fn a_paused_queue_leases_nothing(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    normal(&harness, 1).await?;
    let held = one(&harness, 1).await?;
    normal(&harness, 2).await?;
    harness.queue().pause(None).await?;
    harness.queue().pause(None).await?;
    harness.reopen().await;
    assert!(leased(&harness, 2, 9).await?.is_empty());
    assert!(harness.queue().stats(None).await?.paused);
    assert!(harness.queue().stats(Some(&TenantId::default())).await?.paused);
    let renewed = harness.queue().renew(&held.job, held.fence, held.term).await?;
    assert_eq!(renewed, Renewal::Held, "who has a job goes on");
    harness.queue().resume(None).await?;
    assert_eq!(ids(&leased(&harness, 3, 9).await?), numbers([2]));
    Ok(())
}

/// Promise 11, for one tenant.
pub async fn a_paused_tenant_does_not_hold_up_others(
    harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let (still, moving) = (tenant("still")?, tenant("moving")?);
    offered(&harness, &still, 1, Priority::High).await?;
    offered(&harness, &moving, 2, Priority::Low).await?;
    harness.queue().pause(Some(&still)).await?;
    assert_eq!(ids(&leased(&harness, 1, 9).await?), numbers([2]));
    assert!(harness.queue().stats(Some(&still)).await?.paused);
    assert!(!harness.queue().stats(Some(&moving)).await?.paused);
    assert!(!harness.queue().stats(None).await?.paused);
    harness.queue().resume(Some(&still)).await?;
    assert_eq!(ids(&leased(&harness, 2, 9).await?), numbers([1]));
    Ok(())
}

/// Promise 12.
pub async fn the_stats_count_what_is_there(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let (home, away) = (TenantId::default(), tenant("away")?);
    offered(&harness, &home, 1, Priority::High).await?;
    one(&harness, 1).await?;
    offered(&harness, &home, 2, Priority::High).await?;
    offered(&harness, &home, 3, Priority::Low).await?;
    offered(&harness, &away, 4, Priority::Normal).await?;
    let parked = offered(&harness, &home, 5, Priority::Normal).await?;
    let later = offered(&harness, &home, 6, Priority::Normal).await?;
    let done = offered(&harness, &home, 7, Priority::Normal).await?;
    let (store, now) = (harness.store(), harness.now().await);
    store.commit(&parked.job.reference(), dispatch(&parked, 1, Dispatch::Park)).await?;
    let at = now + Duration::from_hours(1);
    let later_on = dispatch(&later, 2, Dispatch::Ready { at });
    store.commit(&later.job.reference(), later_on).await?;
    let end = commit(&done, 3, None, vec![cancelled()], now)?;
    store.commit(&done.job.reference(), end).await?;
    let all = harness.queue().stats(None).await?;
    assert_eq!((all.ready, all.waiting, all.leased, all.paused), ([1, 1, 1], 2, 1, false));
    let own = harness.queue().stats(Some(&away)).await?;
    assert_eq!((own.ready, own.waiting, own.leased), ([0, 1, 0], 0, 0));
    assert_eq!(all.depth(Priority::Low), 1);
    harness.elapse(Duration::from_secs(31)).await;
    let lapsed = harness.queue().stats(None).await?;
    assert_eq!((lapsed.ready, lapsed.leased), ([2, 1, 1], 0), "a lapsed lease is no lease");
    Ok(())
}

/// Promise 13.
pub async fn a_wait_ends_when_a_job_comes(
    harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let queue = harness.queue();
    let begun = tokio::time::Instant::now();
    let short = request(1, 1).wait(Duration::from_millis(120));
    assert!(queue.lease(&short).await?.is_empty(), "after its time, with no lease");
    assert!(begun.elapsed() >= Duration::from_millis(120));
    let begun = tokio::time::Instant::now();
    let long = request(2, 1).wait(Duration::from_secs(30));
    let comes = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        normal(&harness, 1).await
    };
    let (leases, created) = tokio::join!(queue.lease(&long), comes);
    assert_eq!(ids(&leases?), [created?.job.id]);
    assert!(begun.elapsed() < Duration::from_secs(10));
    Ok(())
}

/// Promise 13, for a job that becomes ready by time alone.
pub async fn a_wait_ends_when_a_moment_comes(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    let record = normal(&harness, 1).await?;
    let at = harness.now().await + Duration::from_mins(1);
    let write = dispatch(&record, 1, Dispatch::Ready { at });
    harness.store().commit(&record.job.reference(), write).await?;
    let queue = harness.queue();
    let long = request(2, 1).wait(Duration::from_secs(30));
    let (leases, ()) = tokio::join!(queue.lease(&long), harness.elapse(Duration::from_secs(61)));
    assert_eq!(ids(&leases?), [record.job.id]);
    Ok(())
}

/// Promise 14.
pub async fn a_repeated_request_returns_the_same_leases(
    mut harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    for number in 1..=3 {
        normal(&harness, number).await?;
    }
    let first = leased(&harness, 1, 2).await?;
    harness.reopen().await;
    let again = leased(&harness, 1, 2).await?;
    let tokens = |leases: &[Lease]| -> Vec<(JobRef, Fence)> {
        leases.iter().map(|lease| (lease.job.clone(), lease.fence)).collect()
    };
    assert_eq!(tokens(&again), tokens(&first));
    assert_eq!(leased(&harness, 2, 2).await?.len(), 1);
    Ok(())
}

/// Promise 15.
pub async fn another_tenants_lease_is_not_found(
    harness: impl Serves<dyn Queue> + Serves<dyn Store>,
) -> Result<()> {
    normal(&harness, 1).await?;
    let lease = one(&harness, 1).await?;
    let theirs = JobRef::new(tenant("stranger")?, lease.job.id.clone());
    let queue = harness.queue();
    refused(queue.renew(&theirs, lease.fence, lease.term).await, ErrorKind::NotFound);
    refused(queue.release(&theirs, lease.fence).await, ErrorKind::NotFound);
    assert_eq!(queue.renew(&lease.job, lease.fence, lease.term).await?, Renewal::Held);
    Ok(())
}
