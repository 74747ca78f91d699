//! Which job goes next, and when: promises 1 to 5 and 11.

use std::{collections::BTreeSet, time::Duration};

use super::{Both as _, ids, leased, normal, numbers, offer, offered, one};
use crate::{
    conformance::{
        Serves,
        sample::{commit, dispatch, request, started, tenant},
    },
    error::Result,
    id::{JobId, TenantId},
    job::Priority,
    pipeline::Dispatch,
    tenant::JobRef,
    traits::{Candidate, Queue, Renewal, Store},
};

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
