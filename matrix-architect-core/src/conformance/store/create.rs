//! Jobs that are made, found and kept apart: promises 1, 2 and 8.

use crate::{
    conformance::{
        Serves,
        check::refused,
        claim::created,
        sample::{cancelled, commit, new_job, request, tenant},
    },
    error::{ErrorKind, Result},
    id::TenantId,
    job::Priority,
    pipeline::{JobRecord, Version},
    tenant::JobRef,
    traits::{Candidate, JobQuery, Store},
};

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
