//! What is written to a job, by whom, and once: promises 3 to 7.

use std::time::Duration;

use serde_json::json;

use crate::{
    conformance::{
        Serves,
        check::refused,
        claim::{claim, claimed, created},
        sample::{cancelled, commit, new_job, planned, started, worker},
    },
    error::{ErrorKind, Result},
    event::{Actor, Event},
    id::{MessageId, TenantId},
    pipeline::{JobRecord, Phase, Stage, Version},
    traits::{Commit, Message, Store},
};

/// Promise 3.
pub async fn a_commit_appends_events_and_moves_the_version(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let record = created(&harness, 1).await?;
    let reference = record.job.reference();
    let lease = claimed(&harness, &record, 1).await?;
    harness.elapse(Duration::from_secs(1)).await;
    let now = harness.now().await;
    let events = vec![started(&lease.worker), planned()];
    let mut write = commit(&lease.record, 1, Some(lease.fence), events.clone(), now)?;
    write.actor = Actor::Worker(lease.worker.clone());
    let answer = harness.backend().commit(&reference, write).await?;
    assert_eq!(answer.version, Version(2));
    harness.reopen().await;
    let history = harness.backend().history(&reference, 0, 100).await?;
    let told: Vec<_> = history.iter().map(|envelope| envelope.event.clone()).collect();
    assert_eq!(told, events);
    for (envelope, seq) in history.iter().zip(1..) {
        assert_eq!(envelope.seq, seq, "numbered from 1 without a gap");
        assert_eq!(envelope.at, answer.at);
        assert_eq!(envelope.actor, Actor::Worker(lease.worker.clone()));
    }
    let job = new_job(&TenantId::default(), 1, record.job.created_at);
    let loaded = harness.backend().load(&reference).await?;
    assert_eq!(loaded, JobRecord::fold(&job, history)?, "the record is the fold of its history");
    assert_eq!(loaded.state.phase, Phase::Ready(Stage::Patch));
    Ok(())
}

/// Promise 3, in pieces.
pub async fn a_history_is_read_in_pieces(harness: impl Serves<dyn Store>) -> Result<()> {
    let (store, now) = (harness.backend(), harness.now().await);
    let record = created(&harness, 1).await?;
    let reference = record.job.reference();
    let events = vec![started(&worker(1)), planned(), cancelled()];
    store.commit(&reference, commit(&record, 1, None, events, now)?).await?;
    let numbers = async |after, limit| -> Result<Vec<u64>> {
        let history = store.history(&reference, after, limit).await?;
        Ok(history.into_iter().map(|envelope| envelope.seq).collect())
    };
    assert_eq!(numbers(0, 2).await?, [1, 2]);
    assert_eq!(numbers(2, 2).await?, [3]);
    assert!(numbers(3, 2).await?.is_empty());
    Ok(())
}

/// Promise 4.
pub async fn a_stale_version_conflicts(harness: impl Serves<dyn Store>) -> Result<()> {
    let (store, now) = (harness.backend(), harness.now().await);
    let record = created(&harness, 1).await?;
    let reference = record.job.reference();
    let begin = commit(&record, 1, None, vec![started(&worker(1))], now)?;
    store.commit(&reference, begin).await?;
    let stale = commit(&record, 2, None, vec![cancelled()], now)?;
    let error = refused(store.commit(&reference, stale.clone()).await, ErrorKind::Conflict);
    assert_ne!(error.code_str(), "illegal_transition");
    assert_eq!(store.history(&reference, 0, 10).await?.len(), 1, "nothing was written");
    let ahead = Commit { expected: Version(9), ..stale };
    refused(store.commit(&reference, ahead).await, ErrorKind::Conflict);
    Ok(())
}

/// Promise 5.
pub async fn a_stale_fence_is_fenced(mut harness: impl Serves<dyn Store>) -> Result<()> {
    let record = created(&harness, 1).await?;
    let reference = record.job.reference();
    let old = claimed(&harness, &record, 1).await?;
    harness.elapse(Duration::from_secs(31)).await;
    let new = claimed(&harness, &record, 2).await?;
    let now = harness.now().await;
    let stale = commit(&record, 1, Some(old.fence), vec![started(&old.worker)], now)?;
    refused(harness.backend().commit(&reference, stale).await, ErrorKind::Fenced);
    assert!(harness.backend().history(&reference, 0, 10).await?.is_empty());
    let valid = commit(&record, 2, Some(new.fence), vec![started(&new.worker)], now)?;
    harness.backend().commit(&reference, valid).await?;
    Ok(())
}

/// Promise 5, its other half.
pub async fn a_lapsed_lease_that_nobody_took_may_still_commit(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let record = created(&harness, 1).await?;
    let lease = claimed(&harness, &record, 1).await?;
    harness.elapse(Duration::from_hours(1)).await;
    let now = harness.now().await;
    let late = commit(&record, 1, Some(lease.fence), vec![started(&lease.worker)], now)?;
    harness.backend().commit(&lease.job, late).await?;
    Ok(())
}

/// Promise 6.
pub async fn a_replayed_commit_returns_its_first_answer(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let record = created(&harness, 1).await?;
    let lease = claimed(&harness, &record, 1).await?;
    let now = harness.now().await;
    let first = commit(&record, 1, Some(lease.fence), vec![started(&lease.worker)], now)?;
    let answer = harness.backend().commit(&lease.job, first.clone()).await?;
    harness.elapse(Duration::from_secs(5)).await;
    assert_eq!(harness.backend().commit(&lease.job, first.clone()).await?, answer);
    let running = harness.backend().load(&lease.job).await?;
    let later = commit(&running, 2, None, vec![cancelled()], harness.now().await)?;
    harness.backend().commit(&lease.job, later).await?;
    harness.elapse(Duration::from_mins(1)).await;
    claim(&harness, &record, 2).await?;
    harness.reopen().await;
    let replayed = harness.backend().commit(&lease.job, first).await?;
    assert_eq!(replayed, answer, "whatever came since");
    Ok(())
}

/// Promise 7.
pub async fn an_illegal_event_is_refused(harness: impl Serves<dyn Store>) -> Result<()> {
    let (store, now) = (harness.backend(), harness.now().await);
    let record = created(&harness, 1).await?;
    let reference = record.job.reference();
    let mut write = commit(&record, 1, None, vec![started(&worker(1))], now)?;
    write.events.push(Event::RolledBack);
    let message = Message {
        id: MessageId::from_number(1),
        job: reference.clone(),
        topic: "job.test".to_owned(),
        body: json!({}),
    };
    write.outbox.push(message);
    let error = refused(store.commit(&reference, write).await, ErrorKind::Conflict);
    assert_eq!(error.code_str(), "illegal_transition");
    assert_eq!(store.load(&reference).await?, record, "nothing of the commit was written");
    assert!(store.history(&reference, 0, 10).await?.is_empty());
    assert!(store.outbox(10).await?.is_empty());
    Ok(())
}
