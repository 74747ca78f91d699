//! Workers that die without a word, again and again.

use std::time::Duration;

use matrix_architect_core::{
    evidence::CheckResult, fake::ScriptedVerifier, id::WorkerId, job::Job, traits::Cancel,
};

use crate::bench::{Bench, Plans, spec};

/// Lets a worker begin and drops it after a while: nothing it holds is given back.
async fn killed_after(bench: &Bench, job: &Job, time: Duration) {
    let worker = bench.engine.worker(WorkerId::new("doomed").unwrap());
    let (reference, drain) = (job.reference(), Cancel::new());
    let work = tokio::spawn(async move { worker.drive(&reference, &drain).await });
    tokio::time::sleep(time).await;
    work.abort();
    let _ = work.await;
}

#[tokio::test]
async fn a_job_that_kills_its_workers_ends() {
    let verifier =
        ScriptedVerifier::new([("unit", CheckResult::Passed)]).taking(Duration::from_secs(30));
    let bench = Bench::new(Plans { verifier, ..Plans::default() }).await;
    let job = bench.submit(spec()).await;
    let mut last = bench.stores.store.load(&job.reference()).await.unwrap();
    for _ in 0..40 {
        if last.state.phase.is_terminal() {
            break;
        }
        killed_after(&bench, &job, Duration::from_millis(1300)).await;
        last = bench.stores.store.load(&job.reference()).await.unwrap();
    }
    assert_eq!(last.job.failure.unwrap().code, "workers_lost");
}
