//! Who may work at a job: what [`Store`] promises of its claims. Run with `store_suite`.
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use std::time::Duration;

use serde_json::json;

use super::{
    Harness, Serves,
    sample::{cancelled, commit, dispatch, new_job, request, started, worker},
};
use crate::{
    error::Result,
    event::{Actor, Event},
    id::TenantId,
    job::JobStatus,
    pipeline::{Dispatch, JobRecord, Version},
    traits::{Candidate, Fence, Lease, Message, Store},
};

pub(super) async fn created(harness: &impl Serves<dyn Store>, number: u128) -> Result<JobRecord> {
    let job = new_job(&TenantId::default(), number, harness.now().await);
    let mut records = harness.backend().create(vec![job]).await?;
    Ok(records.remove(0))
}

async fn candidate(harness: &impl Harness, record: &JobRecord) -> Candidate {
    Candidate {
        job: record.job.reference(),
        priority: record.job.priority,
        run_at: harness.now().await,
    }
}

pub(super) async fn claim(
    harness: &impl Serves<dyn Store>,
    record: &JobRecord,
    number: u128,
) -> Result<Vec<Lease>> {
    let candidate = candidate(harness, record).await;
    harness.backend().claim(&[candidate], &request(number, 1)).await
}

pub(super) async fn claimed(
    harness: &impl Serves<dyn Store>,
    record: &JobRecord,
    number: u128,
) -> Result<Lease> {
    let mut leases = claim(harness, record, number).await?;
    assert_eq!(leases.len(), 1, "a ready job is claimed");
    Ok(leases.remove(0))
}

/// Promise 10.
pub async fn a_claim_mints_a_higher_fence(mut harness: impl Serves<dyn Store>) -> Result<()> {
    let record = created(&harness, 1).await?;
    let mut last = Fence(0);
    for number in 1..=3 {
        let lease = claimed(&harness, &record, number).await?;
        assert!(lease.fence > last);
        assert_eq!(lease.worker, worker(number));
        last = lease.fence;
        harness.elapse(Duration::from_secs(31)).await;
        harness.reopen().await;
    }
    Ok(())
}

/// Promise 11.
pub async fn a_claimed_job_cannot_be_claimed_again(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let record = created(&harness, 1).await?;
    claimed(&harness, &record, 1).await?;
    harness.elapse(Duration::from_secs(29)).await;
    harness.reopen().await;
    assert!(claim(&harness, &record, 2).await?.is_empty());
    harness.elapse(Duration::from_secs(1)).await;
    claimed(&harness, &record, 3).await?;
    Ok(())
}

/// Promise 12.
pub async fn a_lost_worker_is_recorded_by_the_next_claim(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let record = created(&harness, 1).await?;
    let lease = claimed(&harness, &record, 1).await?;
    let begin = vec![started(&lease.worker)];
    let write = commit(&record, 1, Some(lease.fence), begin, harness.now().await)?;
    harness.backend().commit(&lease.job, write).await?;
    harness.elapse(Duration::from_secs(31)).await;
    let next = claimed(&harness, &record, 2).await?;
    assert!(!next.record.state.phase.is_active());
    assert_eq!(next.record.version, Version(2));
    assert_eq!(next.record.state.counters.losses, 1);
    let history = harness.backend().history(&lease.job, 1, 10).await?;
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].event, Event::WorkerLost { worker: Some(lease.worker) });
    assert_eq!(history[0].actor, Actor::System);
    assert_eq!(harness.backend().load(&lease.job).await?, next.record);
    Ok(())
}

/// Promise 12, its end.
pub async fn a_lost_worker_that_ends_the_job_is_told(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let mut record = created(&harness, 1).await?;
    let reference = record.job.reference();
    let lives = u128::from(record.state.limits.max_losses) + 1;
    for number in 1..=lives {
        let lease = claimed(&harness, &record, number).await?;
        let begin = vec![started(&lease.worker)];
        let write = commit(&lease.record, number, Some(lease.fence), begin, harness.now().await)?;
        harness.backend().commit(&reference, write).await?;
        harness.elapse(Duration::from_secs(31)).await;
        record = harness.backend().load(&reference).await?;
    }
    // The claims before it, which the job survived.
    let store = harness.backend();
    let told: Vec<_> = store.outbox(100).await?.into_iter().map(|message| message.id).collect();
    store.delivered(&told).await?;
    for request in [lives + 1, lives + 1, lives + 2] {
        assert!(claim(&harness, &record, request).await?.is_empty(), "one loss too many");
    }
    harness.reopen().await;
    let after = harness.backend().load(&reference).await?;
    assert_eq!(after.job.status, JobStatus::Failed);
    let told = harness.backend().outbox(100).await?;
    assert_eq!(told, Vec::from_iter(Message::of_change(&record, &after)), "once, and by that name");
    assert_eq!(told[0].topic, "job.finished");
    assert_eq!((&told[0].job, &told[0].body["status"]), (&reference, &json!("failed")));
    Ok(())
}

/// Promise 13.
pub async fn a_repeated_claim_request_returns_the_same_leases(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let record = created(&harness, 1).await?;
    let other = created(&harness, 2).await?;
    let first = claimed(&harness, &record, 1).await?;
    harness.reopen().await;
    let again = claimed(&harness, &record, 1).await?;
    assert_eq!((&again.job, again.fence), (&first.job, first.fence));
    let another = claimed(&harness, &other, 1).await?;
    assert_eq!(another.job, first.job, "the request's id decides, not its candidates");
    Ok(())
}

/// Promise 15.
pub async fn a_parked_job_is_not_claimed(mut harness: impl Serves<dyn Store>) -> Result<()> {
    let record = created(&harness, 1).await?;
    let reference = record.job.reference();
    harness.backend().commit(&reference, dispatch(&record, 1, Dispatch::Park)).await?;
    assert!(claim(&harness, &record, 1).await?.is_empty());
    let at = harness.now().await + Duration::from_mins(1);
    let later = dispatch(&record, 2, Dispatch::Ready { at });
    harness.backend().commit(&reference, later).await?;
    assert!(claim(&harness, &record, 2).await?.is_empty(), "its time has not come");
    harness.elapse(Duration::from_mins(1)).await;
    claimed(&harness, &record, 3).await?;
    Ok(())
}

/// Promise 15, its end.
pub async fn a_finished_job_is_not_claimed(harness: impl Serves<dyn Store>) -> Result<()> {
    let (store, now) = (harness.backend(), harness.now().await);
    let record = created(&harness, 1).await?;
    let write = commit(&record, 1, None, vec![cancelled()], now)?;
    store.commit(&record.job.reference(), write).await?;
    assert!(claim(&harness, &record, 1).await?.is_empty());
    let mut lying = created(&harness, 2).await?;
    let mut write = commit(&lying, 1, None, vec![cancelled()], now)?;
    write.dispatch = Dispatch::Ready { at: now };
    store.commit(&lying.job.reference(), write).await?;
    lying = store.load(&lying.job.reference()).await?;
    assert!(claim(&harness, &lying, 2).await?.is_empty(), "whatever its commit says");
    Ok(())
}
