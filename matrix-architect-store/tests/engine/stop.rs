//! The wish to stop, in each stage.

use std::time::Duration;

use matrix_architect_core::{
    error::ErrorKind,
    evidence::CheckResult,
    fake::{MemoryDeployer, ScriptedVerifier},
    id::WorkerId,
    job::{Job, JobSpec, JobStatus},
    policy::Decision,
    traits::Cancel,
};

use crate::bench::{Bench, Plans, TARGET, author, spec};

fn slow_checks() -> ScriptedVerifier {
    ScriptedVerifier::new([("unit", CheckResult::Passed)]).taking(Duration::from_secs(30))
}

/// Drives the job and wants it to stop once that has happened.
pub(crate) async fn stop_after(bench: &Bench, spec: JobSpec, kind: &str, status: JobStatus) -> Job {
    let job = bench.submit(spec).await;
    let stop = async {
        while bench.engine.job(&author(), &job.id).await.unwrap().status != status
            || !bench.kinds(&job).await.contains(&kind)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.engine.cancel(&author(), &job.id, Some("changed my mind".to_owned())).await.unwrap();
    };
    tokio::join!(bench.drive(&job), stop).0
}

#[tokio::test]
async fn a_job_that_waits_for_a_worker_stops_at_once() {
    let bench = Bench::new(Plans::default()).await;
    let job = bench.submit(spec()).await;
    let stopped = bench.engine.cancel(&author(), &job.id, None).await.unwrap();
    assert_eq!(stopped.status, JobStatus::Aborted);
    let again = bench.engine.cancel(&author(), &job.id, None).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Conflict);
    assert_eq!(bench.drive(&job).await.started_at, None);
}

#[tokio::test]
async fn checks_that_run_are_stopped() {
    let bench = Bench::new(Plans { verifier: slow_checks(), ..Plans::default() }).await;
    let job = stop_after(&bench, spec(), "started", JobStatus::Verifying).await;
    assert_eq!(job.status, JobStatus::Aborted);
    assert!(bench.deployer.writes().is_empty());
    assert!(bench.kinds(&job).await.contains(&"stopped"));
}

#[tokio::test]
async fn a_job_that_waits_for_consent_stops_at_once() {
    let plans = Plans { decision: Decision::RequireApproval, approvals: 1, ..Plans::default() };
    let bench = Bench::new(plans).await;
    let waiting = bench.run(spec()).await;
    let stopped = bench.engine.cancel(&author(), &waiting.id, None).await.unwrap();
    assert_eq!(stopped.status, JobStatus::Aborted);
}

#[tokio::test]
async fn a_deployment_that_runs_is_stopped_and_taken_back() {
    let deployer = MemoryDeployer::taking(Duration::from_secs(30));
    let bench = Bench::new(Plans { deployer, ..Plans::default() }).await;
    let job = stop_after(&bench, spec(), "target_intended", JobStatus::Deploying).await;
    assert_eq!(job.status, JobStatus::Aborted, "{:?}", job.error);
    assert_eq!(bench.deployer.live(TARGET), None);
    assert!(bench.kinds(&job).await.contains(&"rolled_back"));
}

#[tokio::test]
async fn a_drained_worker_finishes_its_stage_and_gives_the_job_back() {
    let verifier =
        ScriptedVerifier::new([("unit", CheckResult::Passed)]).taking(Duration::from_millis(300));
    let bench = Bench::new(Plans { verifier, ..Plans::default() }).await;
    let job = bench.submit(spec()).await;
    let drain = Cancel::new();
    let worker = bench.engine.worker(WorkerId::new("drained").unwrap());
    let work = tokio::spawn({
        let (worker, drain) = (worker.clone(), drain.clone());
        async move { worker.run(&drain).await }
    });
    while bench.verifier.runs() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drain.cancel();
    work.await.unwrap();
    let left = bench.engine.job(&author(), &job.id).await.unwrap();
    assert_eq!(left.status, JobStatus::Queued);
    assert_eq!(left.evidence.len(), 1, "the stage was not finished");

    let done = bench.drive(&job).await;
    assert_eq!((done.status, bench.verifier.runs()), (JobStatus::Succeeded, 1));
}

#[tokio::test]
async fn a_new_plan_in_the_middle_of_a_stage_is_followed() {
    let verifier =
        ScriptedVerifier::new([("unit", CheckResult::Passed)]).taking(Duration::from_millis(200));
    let bench = Bench::new(Plans { verifier, ..Plans::default() }).await;
    let job = bench.submit(spec()).await;
    let replan = async {
        while bench.verifier.runs() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.engine.replan(&author(), &job.id, "a better idea".to_owned()).await.unwrap();
    };
    let (job, ()) = tokio::join!(bench.drive(&job), replan);
    assert_eq!((job.status, job.generation), (JobStatus::Succeeded, 2), "{:?}", job.error);
    assert_eq!((bench.verifier.runs(), bench.deployer.writes().len()), (2, 1));
}

#[tokio::test]
async fn an_end_that_a_principal_made_is_told() {
    let bench = Bench::new(Plans::default()).await;
    let job = bench.submit(spec()).await;
    bench.engine.cancel(&author(), &job.id, None).await.unwrap();
    let told = bench.stores.store.outbox(10).await.unwrap();
    let topics: Vec<_> = told.iter().map(|message| message.topic.as_str()).collect();
    assert_eq!(topics, ["job.finished"]);
    assert_eq!((&told[0].job, &told[0].body["status"]), (&job.reference(), &"aborted".into()));
}
