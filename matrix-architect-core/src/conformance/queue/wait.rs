//! What waits, and how many: promises 12 and 13.

use std::time::Duration;

use super::{Both as _, ids, normal, offered, one};
use crate::{
    conformance::{
        Serves,
        sample::{cancelled, commit, dispatch, request, tenant},
    },
    error::Result,
    id::TenantId,
    job::Priority,
    pipeline::Dispatch,
    traits::{Queue, Store},
};

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
