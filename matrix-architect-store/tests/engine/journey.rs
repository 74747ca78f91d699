//! The whole way.

use matrix_architect_core::{
    attest::{Expectations, PROVENANCE, SUMMARY, TrustedKey, verify},
    error::ErrorKind,
    job::JobStatus,
    pipeline::Stage,
    traits::{JobQuery, Signer as _},
};

use crate::bench::{Bench, Plans, TARGET, author, spec, viewer};

#[tokio::test]
async fn a_change_goes_through_all_six_stages() {
    let bench = Bench::new(Plans::default()).await;
    let job = bench.run(spec()).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{:?}", job.error);
    let kinds = bench.kinds(&job).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == "started").count(), Stage::ALL.len());
    assert_eq!(kinds.iter().filter(|kind| **kind == "finished").count(), Stage::ALL.len());
    assert_eq!(
        bench.deployer.live(TARGET).as_deref(),
        Some(job.releases[0].reference.version.as_str())
    );
    assert_eq!(bench.publisher.published().len(), 1);
    assert_eq!(job.publications.len(), 1);
    assert_eq!(job.retry_count, 0);
    assert!(job.started_at.is_some() && job.completed_at.is_some());
    assert!(bench.log(&job, "VERIFY").await.contains("unit: Passed"));
}

#[tokio::test]
async fn its_attestation_and_summary_verify_and_name_the_bundle() {
    let bench = Bench::new(Plans::default()).await;
    let job = bench.run(spec()).await;
    let bundle = job.artifact_named("bundle").unwrap().checksum;
    let key = TrustedKey::of(&bench.signer.key()).unwrap();
    for (name, predicate) in [("attestation", PROVENANCE), ("summary", SUMMARY)] {
        let (_, bytes) = bench.engine.artifact(&author(), &job.id, name).await.unwrap();
        let bytes = bytes.collect(1 << 20).await.unwrap();
        let wanted = Expectations::of(key.clone()).predicate_type(predicate).subject(bundle);
        verify(&bytes, &wanted).unwrap();
    }
    let attestation = job.attestation.unwrap();
    assert_eq!(attestation.artifacts, [bundle]);
    assert_eq!(attestation.signed_by, bench.signer.key().id);
}

#[tokio::test]
async fn a_job_without_targets_and_publishers_is_proven_all_the_same() {
    let bench = Bench::new(Plans::default()).await;
    let mut spec = spec();
    spec.deployments.clear();
    spec.publish.clear();
    let job = bench.run(spec).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{:?}", job.error);
    assert!(job.attestation.is_some() && job.releases.is_empty());
}

#[tokio::test]
async fn the_same_key_is_the_same_job() {
    let bench = Bench::new(Plans::default()).await;
    let mut keyed = spec();
    keyed.idempotency_key = Some("k1".to_owned());
    let one = bench.submit(keyed.clone()).await;
    assert_eq!(bench.submit(keyed.clone()).await.id, one.id);
    keyed.goal = "another".to_owned();
    let error = bench.engine.submit(&author(), keyed).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn every_call_asks_who_calls() {
    let bench = Bench::new(Plans::default()).await;
    let denied = |error: matrix_architect_core::Error| error.kind() == ErrorKind::Denied;
    assert!(denied(bench.engine.submit(&viewer(), spec()).await.unwrap_err()));
    let mut production = spec();
    production.deployments[0].environment = "eu-production".to_owned();
    assert!(denied(bench.engine.submit(&author(), production).await.unwrap_err()));

    let job = bench.submit(spec()).await;
    let engine = &bench.engine;
    assert!(engine.job(&viewer(), &job.id).await.is_ok());
    assert_eq!(engine.jobs(&viewer(), &JobQuery::default()).await.unwrap().jobs.len(), 1);
    assert!(denied(engine.cancel(&viewer(), &job.id, None).await.unwrap_err()));
    assert!(denied(engine.approve(&viewer(), &job.id, None).await.unwrap_err()));

    let mut stranger = author();
    stranger.tenant = matrix_architect_core::id::TenantId::new("other").unwrap();
    assert!(engine.job(&stranger, &job.id).await.unwrap_err().is_not_found());
    assert!(engine.cancel(&stranger, &job.id, None).await.unwrap_err().is_not_found());
    assert!(engine.log(&stranger, &job.id, "PLAN", 0..9).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn an_unknown_driver_is_refused_with_the_known_ones() {
    let bench = Bench::new(Plans::default()).await;
    let mut spec = spec();
    spec.deployments[0].config.insert("driver".to_owned(), "nomad".into());
    let error = bench.engine.submit(&author(), spec).await.unwrap_err();
    assert!(error.to_string().ends_with("one of: memory"), "{error}");
}
