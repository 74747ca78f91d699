//! Things that go wrong.

use matrix_architect_core::{
    error::{Error, ErrorKind},
    event::Resolution,
    evidence::CheckResult,
    fake::ScriptedVerifier,
    id::WorkerId,
    job::{JobStatus, OnPublishFailure},
    pipeline::Stage,
    traits::{Cancel, JobQuery},
};

use crate::bench::{Bench, Plans, TARGET, author, spec};

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "the other side does not answer")
}

fn broken() -> Error {
    Error::invalid("it does not start").code("unhealthy")
}

#[tokio::test]
async fn a_failed_check_stops_the_job_and_is_named() {
    let verifier =
        ScriptedVerifier::new([("lint", CheckResult::Passed), ("unit", CheckResult::Failed)]);
    let bench = Bench::new(Plans { verifier, ..Plans::default() }).await;
    let job = bench.run(spec()).await;
    assert_eq!((job.status, job.current_stage), (JobStatus::Failed, Some(Stage::Verify)));
    assert_eq!(job.failure.unwrap().code, "verification_failed");
    assert!(job.error.unwrap().contains("unit"));
    assert_eq!(job.evidence.len(), 2);
    assert!(bench.deployer.writes().is_empty());
}

#[tokio::test]
async fn a_check_that_cannot_decide_does_not_pass() {
    let verifier = ScriptedVerifier::new([("unit", CheckResult::Inconclusive)]);
    let bench = Bench::new(Plans { verifier, ..Plans::default() }).await;
    assert_eq!(bench.run(spec()).await.failure.unwrap().code, "verification_inconclusive");
}

#[tokio::test]
async fn a_change_nobody_checked_does_not_pass() {
    let bench =
        Bench::new(Plans { verifier: ScriptedVerifier::default(), ..Plans::default() }).await;
    assert_eq!(bench.run(spec()).await.failure.unwrap().code, "nothing_checked");
}

#[tokio::test]
async fn a_fault_that_passes_is_tried_again() {
    let bench = Bench::new(Plans::default()).await;
    bench.verifier.fail_once(unavailable());
    let job = bench.run(spec()).await;
    assert_eq!((job.status, job.retry_count), (JobStatus::Succeeded, 1));
    assert_eq!(bench.verifier.runs(), 2);
}

#[tokio::test]
async fn a_fault_that_stays_ends_the_job_after_so_many_attempts() {
    let bench = Bench::new(Plans::default()).await;
    for _ in 0..5 {
        bench.verifier.fail_once(unavailable());
    }
    let job = bench.run(spec()).await;
    assert_eq!(
        (job.status, job.failure.unwrap().code.as_str()),
        (JobStatus::Failed, "unavailable")
    );
    assert_eq!(bench.verifier.runs(), 3);
}

#[tokio::test]
async fn a_broken_deployment_is_taken_back() {
    let bench = Bench::new(Plans::default()).await;
    let first = bench.run(spec()).await;
    let before = bench.deployer.live(TARGET);
    assert_eq!(first.status, JobStatus::Succeeded);

    bench.workspace.push(crate::bench::commit('b'), crate::bench::tree("three\n"));
    bench.deployer.fail_once(broken());
    let mut second = spec();
    second.goal = "break it".to_owned();
    if let matrix_architect_core::plan::Change::Plan(plan) = &mut second.change {
        plan.steps[0].ops[0].content = Some("broken\n".to_owned());
    }
    let job = bench.run(second).await;
    assert_eq!((job.status, job.failure.unwrap().code.as_str()), (JobStatus::Failed, "unhealthy"));
    assert_eq!(bench.deployer.live(TARGET), before);
    assert!(job.releases.is_empty());
}

#[tokio::test]
async fn settings_that_a_driver_does_not_take_never_become_a_job() {
    let bench = Bench::new(Plans::default()).await;
    let (mut deploys, mut publishes) = (spec(), spec());
    deploys.deployments[0].config.insert("kepe".to_owned(), 3.into());
    publishes.publish[0].config.insert("brnach".to_owned(), "x".into());
    for (spec, field) in [(deploys, "kepe"), (publishes, "brnach")] {
        let error = bench.engine.submit(&author(), spec).await.unwrap_err();
        assert_eq!((error.kind(), error.context_value("field")), (ErrorKind::Invalid, Some(field)));
    }
    let jobs = bench.engine.jobs(&author(), &JobQuery::default()).await.unwrap();
    assert!(jobs.jobs.is_empty());
}

#[tokio::test]
async fn settings_that_are_not_taken_any_more_touch_no_target() {
    let bench = Bench::new(Plans::default()).await;
    let job = bench.submit(spec()).await;
    bench.deployer.close();
    let job = bench.drive(&job).await;
    assert_eq!((job.status, job.current_stage), (JobStatus::Failed, Some(Stage::Deploy)));
    assert!(!bench.kinds(&job).await.contains(&"target_intended"));
    assert!(bench.deployer.writes().is_empty());
}

#[tokio::test]
async fn a_rollback_that_fails_waits_for_an_operator() {
    let bench = Bench::new(Plans::default()).await;
    bench.deployer.fail_once(broken());
    bench.deployer.fail_once(broken());
    let stuck = bench.run(spec()).await;
    assert_eq!(stuck.status, JobStatus::NeedsOperator);
    assert!(bench.deployer.live(TARGET).is_some());

    bench.engine.resolve(&author(), &stuck.id, Resolution::RetryRollback).await.unwrap();
    let job = bench.drive(&stuck).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert_eq!(bench.deployer.live(TARGET), None);
}

#[tokio::test]
async fn a_release_stays_when_publishing_fails_unless_told_otherwise() {
    for (wish, live) in [(OnPublishFailure::Keep, true), (OnPublishFailure::RollBack, false)] {
        let bench = Bench::new(Plans::default()).await;
        bench.publisher.fail_once(broken());
        let mut spec = spec();
        spec.constraints.on_publish_failure = wish;
        let job = bench.run(spec).await;
        assert_eq!(job.status, JobStatus::Failed, "{wish:?}");
        assert_eq!(bench.deployer.live(TARGET).is_some(), live, "{wish:?}");
        assert_eq!(job.releases.len(), usize::from(live));
    }
}

#[tokio::test]
async fn a_publisher_that_is_tried_again_gets_the_same_attestation() {
    let bench = Bench::new(Plans::default()).await;
    bench.publisher.fail_once(unavailable());
    let job = bench.run(spec()).await;
    assert_eq!(job.status, JobStatus::Succeeded);
    let signed = bench.kinds(&job).await.iter().filter(|kind| **kind == "published").count();
    assert_eq!((signed, bench.deployer.writes().len()), (1, 1));
}

#[tokio::test]
async fn a_job_out_of_time_is_stopped() {
    let verifier = ScriptedVerifier::new([("unit", CheckResult::Passed)])
        .taking(std::time::Duration::from_secs(30));
    let bench = Bench::new(Plans { verifier, ..Plans::default() }).await;
    let mut spec = spec();
    spec.constraints.max_duration = 1;
    let job = bench.run(spec).await;
    assert_eq!(job.failure.unwrap().code, "deadline_exceeded");
}

#[tokio::test]
async fn a_job_that_found_its_release_live_does_not_take_it_down() {
    let bench = Bench::new(Plans::default()).await;
    let first = bench.run(spec()).await;
    assert_eq!(first.status, JobStatus::Succeeded);

    bench.publisher.fail_once(broken());
    let mut second = spec();
    second.constraints.on_publish_failure = OnPublishFailure::RollBack;
    let job = bench.run(second).await;
    assert_eq!(job.status, JobStatus::Failed);
    assert!(bench.kinds(&job).await.contains(&"rolled_back"));
    assert!(bench.deployer.live(TARGET).is_some(), "the first job's release is gone");
}

#[tokio::test]
async fn a_job_that_never_came_to_deploy_leaves_the_release_another_job_deployed() {
    let bench = Bench::new(Plans::default()).await;
    let first = bench.run(spec()).await;
    assert_eq!(first.status, JobStatus::Succeeded);
    let live = bench.deployer.live(TARGET);

    bench.deployer.refuse_once(broken());
    let job = bench.run(spec()).await;
    assert_eq!(job.status, JobStatus::Failed);
    let kinds = bench.kinds(&job).await;
    assert!(kinds.contains(&"target_intended") && kinds.contains(&"rolled_back"), "{kinds:?}");
    assert!(live.is_some() && bench.deployer.live(TARGET) == live, "the first job's release");
    assert_eq!(bench.deployer.writes().len(), 1);
}

#[tokio::test]
async fn a_job_that_ends_later_leaves_the_release_another_job_relies_on() {
    let bench = Bench::new(Plans::default()).await;
    bench.publisher.fail_once(unavailable().retry_after(std::time::Duration::from_hours(1)));
    let first = bench.submit(spec()).await;
    let worker = bench.engine.worker(WorkerId::new("patient").unwrap());
    let (reference, drain) = (first.reference(), Cancel::new());
    let work = tokio::spawn(async move { worker.drive(&reference, &drain).await });
    while !bench.kinds(&first).await.contains(&"attempt_failed") {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    work.abort();
    let _ = work.await;

    let second = bench.run(spec()).await;
    assert_eq!(second.status, JobStatus::Succeeded);
    assert!(!second.releases[0].changed, "it is the first one's release");
    bench.engine.cancel(&author(), &first.id, None).await.unwrap();
    let first = bench.drive(&first).await;
    assert_eq!(first.status, JobStatus::Aborted);
    assert!(bench.kinds(&first).await.contains(&"target_undone"));
    let live = bench.deployer.live(TARGET);
    assert_eq!(live.as_ref(), Some(&second.releases[0].reference.version));
    assert_eq!(bench.deployer.writes().len(), 1);
}

#[tokio::test]
async fn a_target_somebody_else_fences_is_no_lost_lease() {
    let bench = Bench::new(Plans::default()).await;
    bench.deployer.fail_once(Error::new(ErrorKind::Fenced, "a later deployer was here"));
    let job = bench.run(spec()).await;
    assert_eq!(job.failure.unwrap().code, "target_fenced");
}

#[tokio::test]
async fn a_base_that_always_moves_ends_the_job() {
    let bench = Bench::new(Plans::default()).await;
    let mut spec = spec();
    spec.constraints.min_approvals = 1;
    let mut job = bench.run(spec).await;
    for digit in ['b', 'c', 'd', 'e'] {
        if job.status != JobStatus::WaitingApproval {
            break;
        }
        bench.engine.approve(&crate::bench::reviewer(), &job.id, None).await.unwrap();
        bench.workspace.push(crate::bench::commit(digit), crate::bench::tree("moved\n"));
        job = bench.drive(&job).await;
    }
    assert_eq!((job.status, job.generation), (JobStatus::Failed, 3));
    assert_eq!(job.failure.unwrap().code, "not_legal");
}

#[tokio::test]
async fn a_url_with_a_password_is_refused_before_anything_is_stored() {
    let bench = Bench::new(Plans::default()).await;
    let mut spec = spec();
    spec.repo = matrix_architect_core::plan::RepoSpec::Git {
        url: "https://ada:hunter2-hunter2@example.org/r".to_owned(),
        reference: None,
        subfolder: None,
        credentials: None,
        submodules: false,
    };
    let error = bench.engine.submit(&author(), spec).await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    let query = matrix_architect_core::traits::JobQuery::default();
    assert!(bench.engine.jobs(&author(), &query).await.unwrap().jobs.is_empty());
}
