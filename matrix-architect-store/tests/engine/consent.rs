//! Waiting for somebody to agree.

use matrix_architect_core::{
    engine::Consent,
    error::ErrorKind,
    job::{Job, JobStatus},
    policy::Decision,
};

use crate::bench::{Bench, Plans, TARGET, author, commit, reviewer, spec, tree};

async fn risky(approvals: u32) -> Bench {
    Bench::new(Plans { decision: Decision::RequireApproval, approvals, ..Plans::default() }).await
}

#[tokio::test]
async fn a_risky_change_waits_and_goes_on_after_consent() {
    let bench = risky(1).await;
    let waiting = bench.run(spec()).await;
    assert_eq!(waiting.status, JobStatus::WaitingApproval);
    assert_eq!(bench.deployer.live(TARGET), None);
    let comment = Some("looks right".to_owned());
    bench.engine.approve(&reviewer(), &waiting.id, comment).await.unwrap();
    let job = bench.drive(&waiting).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{:?}", job.error);
    let gate = job.gate.unwrap();
    assert!(gate.allowed && gate.requires_guardian_approval && gate.approved_at.is_some());
    assert_eq!(gate.approved_by.as_deref(), Some("reviewer"));
}

#[tokio::test]
async fn nobody_approves_their_own_change() {
    let bench = risky(1).await;
    let waiting = bench.run(spec()).await;
    let error = bench.engine.approve(&author(), &waiting.id, None).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "self_approval"));
    assert_eq!(bench.drive(&waiting).await.status, JobStatus::WaitingApproval);
}

#[tokio::test]
async fn two_of_two_must_be_two() {
    let bench = risky(2).await;
    let waiting = bench.run(spec()).await;
    let once = bench.engine.approve(&reviewer(), &waiting.id, None).await.unwrap();
    assert_eq!(once.status, JobStatus::WaitingApproval);
    let twice = bench.engine.approve(&reviewer(), &waiting.id, None).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_refused_change_fails_and_touches_nothing() {
    let bench = risky(1).await;
    let waiting = bench.run(spec()).await;
    let refused = bench.engine.refuse(&reviewer(), &waiting.id, None).await.unwrap();
    assert_eq!(refused.status, JobStatus::Failed);
    assert_eq!(refused.failure.as_ref().unwrap().code, "approval_refused");
    assert!(bench.deployer.writes().is_empty());
    assert_sealed(&bench, &refused).await;
}

/// Nobody is left who could add to what a job said.
async fn assert_sealed(bench: &Bench, job: &Job) {
    let names = bench.engine.log_names(&author(), &job.id).await.unwrap();
    assert!(names.len() > 1, "{names:?}");
    for name in names {
        let page = bench.engine.log(&author(), &job.id, &name, 0..1).await.unwrap();
        assert!(page.sealed, "{name}");
    }
}

#[tokio::test]
async fn the_logs_of_a_job_that_is_stopped_while_it_waits_are_sealed() {
    let bench = risky(1).await;
    let waiting = bench.run(spec()).await;
    let names = bench.engine.log_names(&author(), &waiting.id).await.unwrap();
    let page = bench.engine.log(&author(), &waiting.id, &names[0], 0..1).await.unwrap();
    assert!(!page.sealed, "it may go on");
    let stopped = bench.engine.cancel(&author(), &waiting.id, None).await.unwrap();
    assert_eq!(stopped.status, JobStatus::Aborted);
    assert_sealed(&bench, &stopped).await;
}

#[tokio::test]
async fn consent_dies_when_the_base_moves() {
    let bench = risky(1).await;
    let waiting = bench.run(spec()).await;
    let first = waiting.gate.as_ref().unwrap().approval_id.clone().unwrap();
    bench.engine.approve(&reviewer(), &waiting.id, None).await.unwrap();
    bench.workspace.push(commit('b'), tree("one and a half\n"));

    let again = bench.drive(&waiting).await;
    assert_eq!((again.status, again.generation), (JobStatus::WaitingApproval, 2));
    assert!(bench.deployer.writes().is_empty(), "deployed on the old consent");
    let stale = Consent::default().to(first);
    let error = bench.engine.approve(&reviewer(), &again.id, stale).await.unwrap_err();
    assert_eq!(error.code_str(), "stale_approval");

    bench.engine.approve(&reviewer(), &again.id, None).await.unwrap();
    let job = bench.drive(&again).await;
    assert_eq!(job.status, JobStatus::Succeeded, "{:?}", job.error);
    assert_eq!(job.base.unwrap().commit, Some(commit('b')));
}

#[tokio::test]
async fn a_new_plan_asks_anew() {
    let bench = risky(1).await;
    let waiting = bench.run(spec()).await;
    let reason = "a better idea".to_owned();
    bench.engine.replan(&author(), &waiting.id, reason).await.unwrap();
    let again = bench.drive(&waiting).await;
    assert_eq!((again.status, again.generation), (JobStatus::WaitingApproval, 2));
    let (old, new) = (waiting.gate.unwrap().approval_id, again.gate.unwrap().approval_id);
    assert_ne!(old, new);
}

#[tokio::test]
async fn a_question_nobody_answers_lapses() {
    let bench = risky(1).await;
    let mut spec = spec();
    spec.constraints.approval_timeout = 0;
    let job = bench.run(spec).await;
    assert_eq!(job.failure.unwrap().code, "approval_expired");
}

#[tokio::test]
async fn a_policy_that_forbids_it_ends_it() {
    let bench = Bench::new(Plans { decision: Decision::Deny, ..Plans::default() }).await;
    let job = bench.run(spec()).await;
    assert_eq!(
        (job.status, job.failure.unwrap().code.as_str()),
        (JobStatus::Failed, "policy_denied")
    );
}

#[tokio::test]
async fn the_requester_may_demand_consent_the_policy_does_not() {
    let bench = Bench::new(Plans::default()).await;
    let mut spec = spec();
    spec.constraints.min_approvals = 1;
    assert_eq!(bench.run(spec).await.status, JobStatus::WaitingApproval);
}
