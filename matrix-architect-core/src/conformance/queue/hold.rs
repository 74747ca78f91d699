//! Who holds a job, and for how long: promises 6 to 10, 14 and 15.

use std::time::Duration;

use super::{Both as _, leased, normal, one};
use crate::{
    conformance::{
        Serves,
        check::refused,
        sample::{cancelled, commit, started, tenant},
    },
    error::{ErrorKind, Result},
    tenant::JobRef,
    traits::{Fence, Lease, Queue, Renewal, Store},
};

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
