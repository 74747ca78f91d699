//! Workers that die without a word, anywhere.

use std::time::Duration;

use matrix_architect_core::{
    evidence::CheckResult,
    fake::{MemoryDeployer, ScriptedVerifier},
    id::WorkerId,
    job::{Job, JobStatus},
    traits::Cancel,
};

use crate::bench::{Bench, Plans, TARGET, spec};

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
async fn a_job_goes_on_wherever_its_worker_died() {
    let kills = (0..24).map(|step| Duration::from_millis(step * 6));
    let trials = kills.map(|time| async move {
        let bench = Bench::new(Plans {
            verifier: ScriptedVerifier::new([("unit", CheckResult::Passed)])
                .taking(Duration::from_millis(40)),
            deployer: MemoryDeployer::taking(Duration::from_millis(40)),
            ..Plans::default()
        })
        .await;
        let job = bench.submit(spec()).await;
        killed_after(&bench, &job, time).await;
        let job = bench.drive(&job).await;
        assert_eq!(job.status, JobStatus::Succeeded, "killed after {time:?}: {:?}", job.error);
        let live = bench.deployer.live(TARGET);
        assert_eq!(live.as_deref(), Some(job.releases[0].reference.version.as_str()));
        assert_eq!(bench.deployer.writes().len(), 1, "killed after {time:?}: applied twice");
        assert_eq!(bench.publisher.published().len(), 1);
        let names: Vec<_> = job.evidence.iter().map(|evidence| evidence.name.as_str()).collect();
        assert_eq!(names, ["unit", "deploy.memory/staging/app"], "killed after {time:?}");
        bench.kinds(&job).await.contains(&"worker_lost")
    });
    let lost = futures_util::future::join_all(trials).await;
    assert!(lost.iter().any(|lost| *lost), "no kill met a running stage: the test is vacuous");
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
