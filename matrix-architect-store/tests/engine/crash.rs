//! Workers that die without a word, again and again.

use std::time::Duration;

use matrix_architect_core::{
    error::{Error, ErrorKind},
    evidence::CheckResult,
    fake::ScriptedVerifier,
    id::WorkerId,
    job::{Job, JobStatus},
    traits::{Cancel, Fence},
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

#[tokio::test]
async fn checks_run_in_the_name_of_the_lease_they_are_under() {
    let bench = Bench::new(Plans::default()).await;
    // Long enough that the lease is given back meanwhile.
    let fault = Error::new(ErrorKind::Unavailable, "no room").retry_after(Duration::from_secs(2));
    bench.verifier.fail_once(fault);
    let job = bench.run(spec()).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{:?}", job.error);
    let [first, second] = &bench.verifier.leases()[..] else {
        panic!("{:?}", bench.verifier.leases());
    };
    assert_eq!((&first.0, &second.0), (&job.reference(), &job.reference()));
    // By its lease a reaper tells what an earlier worker has left from what is in use.
    assert!(Fence::default() < first.1 && first.1 < second.1, "{first:?} {second:?}");
}
