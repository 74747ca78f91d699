//! Jobs and their events: every promise of [`Store`] and of [`Operator`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{
    Serves,
    check::refused,
    claim::{claim, claimed, created},
    sample::{
        cancelled, commit, dispatch, new_job, planned, request, spec, started, tenant, worker,
    },
};
use crate::{
    error::{ErrorKind, Result},
    event::{Actor, Event},
    id::{JobId, MessageId, TenantId},
    job::{JobStatus, Priority},
    pipeline::{Dispatch, JobRecord, Phase, Stage, Version},
    tenant::JobRef,
    traits::{Candidate, Commit, JobQuery, Message, Operator, Store},
};

/// Expands to one test per promise of [`Store`](crate::traits::Store). The expression makes a
/// harness that serves `dyn Store`.
#[macro_export]
macro_rules! store_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            store,
            $harness,
            [
                a_created_job_is_loaded,
                creating_the_same_job_twice_is_creating_it_once,
                a_batch_is_created_whole_or_not_at_all,
                an_idempotency_key_names_one_job_of_a_tenant,
                a_commit_appends_events_and_moves_the_version,
                a_stale_version_conflicts,
                a_stale_fence_is_fenced,
                a_lapsed_lease_that_nobody_took_may_still_commit,
                a_replayed_commit_returns_its_first_answer,
                an_illegal_event_is_refused,
                another_tenants_job_is_not_found,
                a_list_is_newest_first_and_pages,
                a_list_is_of_what_was_asked_for,
                outbox_messages_come_in_order_until_delivered,
                a_history_is_read_in_pieces,
            ]
        );
        $crate::__conformance_tests!(
            claim,
            $harness,
            [
                a_claim_mints_a_higher_fence,
                a_claimed_job_cannot_be_claimed_again,
                a_lost_worker_is_recorded_by_the_next_claim,
                a_lost_worker_that_ends_the_job_is_told,
                a_repeated_claim_request_returns_the_same_leases,
                a_parked_job_is_not_claimed,
                a_finished_job_is_not_claimed,
            ]
        );
    };
}

/// Expands to one test per promise of [`Operator`](crate::traits::Operator). The expression makes
/// a harness that serves `dyn Store` and `dyn Operator`.
#[macro_export]
macro_rules! operator_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(store, $harness, [the_operator_counts_all_tenants]);
    };
}

/// Promise 1.
pub async fn a_created_job_is_loaded(mut harness: impl Serves<dyn Store>) -> Result<()> {
    let job = new_job(&TenantId::default(), 1, harness.now().await);
    let created = harness.backend().create(vec![job.clone()]).await?;
    assert_eq!(created, [JobRecord::new(&job)]);
    assert_eq!(created[0].version, Version(0));
    assert_eq!(harness.backend().load(&job.job).await?, created[0]);
    harness.reopen().await;
    assert_eq!(harness.backend().load(&job.job).await?, created[0]);
    Ok(())
}

/// Promise 2, about ids.
pub async fn creating_the_same_job_twice_is_creating_it_once(
    harness: impl Serves<dyn Store>,
) -> Result<()> {
    let store = harness.backend();
    let job = new_job(&TenantId::default(), 1, harness.now().await);
    let first = store.create(vec![job.clone()]).await?;
    let event = commit(&first[0], 1, None, vec![cancelled()], harness.now().await)?;
    store.commit(&job.job, event).await?;
    let again = store.create(vec![job.clone()]).await?;
    assert_eq!(again[0].version, Version(1), "the stored record is returned as it is now");
    let twice_at_once = new_job(&TenantId::default(), 2, harness.now().await);
    let both = store.create(vec![twice_at_once.clone(), twice_at_once]).await?;
    assert_eq!(both[0], both[1]);
    let mut other = job;
    "say goodbye".clone_into(&mut other.spec.goal);
    refused(store.create(vec![other]).await, ErrorKind::AlreadyExists);
    let page = store.list(&TenantId::default(), &JobQuery::default()).await?;
    assert_eq!(page.jobs.len(), 2);
    Ok(())
}

/// Promise 2, about batches.
pub async fn a_batch_is_created_whole_or_not_at_all(harness: impl Serves<dyn Store>) -> Result<()> {
    let (store, now) = (harness.backend(), harness.now().await);
    let jobs: Vec<_> = (1..=50).map(|n| new_job(&TenantId::default(), n, now)).collect();
    let records = store.create(jobs.clone()).await?;
    assert!(records.iter().zip(&jobs).all(|(record, job)| record.job.id == job.job.id));
    let fresh = new_job(&TenantId::default(), 51, now);
    let mut clash = new_job(&TenantId::default(), 7, now);
    "another goal".clone_into(&mut clash.spec.goal);
    let answer = store.create(vec![fresh.clone(), clash]).await;
    refused(answer, ErrorKind::AlreadyExists);
    refused(store.load(&fresh.job).await, ErrorKind::NotFound);
    assert_eq!(store.create(Vec::new()).await?, []);
    Ok(())
}

/// Promise 2, about keys.
pub async fn an_idempotency_key_names_one_job_of_a_tenant(
    harness: impl Serves<dyn Store>,
) -> Result<()> {
    let (store, now) = (harness.backend(), harness.now().await);
    let keyed = |owner: &TenantId, number| {
        let mut job = new_job(owner, number, now);
        job.spec.idempotency_key = Some("once".to_owned());
        job
    };
    let home = TenantId::default();
    let first = store.create(vec![keyed(&home, 1)]).await?;
    let second = store.create(vec![keyed(&home, 2)]).await?;
    assert_eq!(second, first, "the first job is returned");
    refused(store.load(&keyed(&home, 2).job).await, ErrorKind::NotFound);
    let mut other = keyed(&home, 3);
    "say goodbye".clone_into(&mut other.spec.goal);
    let error = refused(store.create(vec![other]).await, ErrorKind::AlreadyExists);
    assert_eq!(error.code_str(), "idempotency_mismatch");
    let elsewhere = store.create(vec![keyed(&tenant("elsewhere")?, 4)]).await?;
    assert_ne!(elsewhere[0].job.id, first[0].job.id, "another tenant's key is another key");
    let query = JobQuery { idempotency_key: Some("once".to_owned()), ..JobQuery::default() };
    let found = store.list(&home, &query).await?;
    assert_eq!(found.jobs, first);
    Ok(())
}

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

/// Promise 8.
pub async fn another_tenants_job_is_not_found(harness: impl Serves<dyn Store>) -> Result<()> {
    let (store, now) = (harness.backend(), harness.now().await);
    let record = created(&harness, 1).await?;
    let theirs = JobRef::new(tenant("stranger")?, record.job.id.clone());
    refused(store.load(&theirs).await, ErrorKind::NotFound);
    refused(store.history(&theirs, 0, 10).await, ErrorKind::NotFound);
    let write = commit(&record, 1, None, vec![cancelled()], now)?;
    refused(store.commit(&theirs, write).await, ErrorKind::NotFound);
    assert!(store.list(&theirs.tenant, &JobQuery::default()).await?.jobs.is_empty());
    let candidate = Candidate { job: theirs.clone(), priority: Priority::Normal, run_at: now };
    assert!(store.claim(&[candidate], &request(1, 1)).await?.is_empty());
    assert_eq!(store.load(&record.job.reference()).await?, record, "it is untouched");
    let same_id = new_job(&theirs.tenant, 1, now);
    assert_eq!(same_id.job, theirs);
    store.create(vec![same_id]).await?;
    Ok(())
}

/// Promise 9.
pub async fn a_list_is_newest_first_and_pages(mut harness: impl Serves<dyn Store>) -> Result<()> {
    let home = TenantId::default();
    for number in 1..=7 {
        created(&harness, number).await?;
        harness.elapse(Duration::from_millis(1)).await;
    }
    let mut query = JobQuery { limit: 3, ..JobQuery::default() };
    let mut seen: Vec<JobId> = Vec::new();
    for late in 8..20 {
        let page = harness.backend().list(&home, &query).await?;
        seen.extend(page.jobs.iter().map(|record| record.job.id.clone()));
        created(&harness, late).await?;
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (1..=7).rev().map(JobId::from_number).collect();
    assert_eq!(seen, expected, "no gap and no double while jobs are added");
    query.after = Some("not a cursor".to_owned());
    refused(harness.backend().list(&home, &query).await, ErrorKind::Invalid);
    Ok(())
}

/// Promise 9, about what it holds.
pub async fn a_list_is_of_what_was_asked_for(harness: impl Serves<dyn Store>) -> Result<()> {
    let (store, now, home) = (harness.backend(), harness.now().await, TenantId::default());
    for number in 1..=4 {
        let mut job = new_job(&home, number, now);
        job.spec.labels.insert("team".to_owned(), "blue".to_owned());
        if number % 2 == 0 {
            job.spec.labels.insert("urgent".to_owned(), "yes".to_owned());
        }
        let record = store.create(vec![job]).await?.remove(0);
        if number == 4 {
            let write = commit(&record, 1, None, vec![cancelled()], now)?;
            store.commit(&record.job.reference(), write).await?;
        }
    }
    let listed = async |query: JobQuery| -> Result<Vec<JobId>> {
        let page = store.list(&home, &query).await?;
        Ok(page.jobs.into_iter().map(|record| record.job.id).collect())
    };
    let numbers = |numbers: &[u128]| -> Vec<JobId> {
        numbers.iter().copied().map(JobId::from_number).collect()
    };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labels = vec![label("team", "blue"), label("urgent", "yes")];
    let mut query = JobQuery { labels, ..JobQuery::default() };
    assert_eq!(listed(query.clone()).await?, numbers(&[4, 2]));
    query.statuses = vec![JobStatus::Queued];
    assert_eq!(listed(query.clone()).await?, numbers(&[2]));
    query.labels = vec![label("team", "red")];
    assert_eq!(listed(query.clone()).await?, numbers(&[]));
    query.labels.clear();
    query.statuses = vec![JobStatus::Aborted, JobStatus::Queued];
    assert_eq!(listed(query).await?, numbers(&[4, 3, 2, 1]));
    Ok(())
}

/// Promise 14.
pub async fn outbox_messages_come_in_order_until_delivered(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let mut record = created(&harness, 1).await?;
    let reference = record.job.reference();
    for number in 1..=3 {
        let mut write = dispatch(&record, number, Dispatch::Park);
        write.outbox.push(Message {
            id: MessageId::from_number(number),
            job: reference.clone(),
            topic: "job.test".to_owned(),
            body: json!({ "number": number.to_string() }),
        });
        harness.backend().commit(&reference, write.clone()).await?;
        harness.backend().commit(&reference, write).await?;
    }
    record.version = Version(9);
    let mut failed = dispatch(&record, 4, Dispatch::Park);
    failed.outbox.push(Message {
        id: MessageId::from_number(4),
        job: reference.clone(),
        topic: "job.test".to_owned(),
        body: json!({}),
    });
    refused(harness.backend().commit(&reference, failed).await, ErrorKind::Conflict);
    harness.reopen().await;
    let store = harness.backend();
    let ids = |messages: Vec<Message>| messages.into_iter().map(|message| message.id);
    let number = MessageId::from_number;
    assert!(ids(store.outbox(2).await?).eq([number(1), number(2)]));
    store.delivered(&[number(1), number(2)]).await?;
    store.delivered(&[number(1)]).await?;
    let rest = store.outbox(10).await?;
    assert_eq!(rest[0].body, json!({ "number": "3" }));
    assert_eq!(rest[0].job, reference);
    assert!(ids(rest).eq([number(3)]));
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

/// Promise 1 of [`Operator`].
pub async fn the_operator_counts_all_tenants(
    harness: impl Serves<dyn Store> + Serves<dyn Operator>,
) -> Result<()> {
    let store: Arc<dyn Store> = harness.backend();
    let operator: Arc<dyn Operator> = harness.backend();
    let (now, home, away) = (harness.now().await, TenantId::default(), tenant("away")?);
    let jobs = vec![new_job(&home, 1, now), new_job(&home, 2, now), new_job(&away, 3, now)];
    let records = store.create(jobs).await?;
    let write = commit(&records[0], 1, None, vec![cancelled()], now)?;
    store.commit(&records[0].job.reference(), write).await?;
    let mut census = operator.census().await?;
    census.sort();
    let expected = [
        (away, JobStatus::Queued, 1),
        (home.clone(), JobStatus::Queued, 1),
        (home, JobStatus::Aborted, 1),
    ];
    assert_eq!(census, expected);
    assert_eq!(spec(), records[1].spec);
    Ok(())
}
