//! Approvers that fail, hang, or are not there.

use std::{sync::Arc, time::Duration};

use matrix_architect_core::{
    error::{Error, ErrorKind},
    fake::DeskApprover,
    id::{PrincipalId, WorkerId},
    job::{Job, JobStatus},
    policy::Decision,
    time::Timestamp,
    traits::Cancel,
};

use crate::{
    bench::{Bench, Plans, author, reviewer, spec},
    witness::Witness,
};

async fn asking(approvals: u32) -> (Bench, Arc<DeskApprover>) {
    let desk = Arc::new(DeskApprover::default());
    let bench = Bench::new(Plans {
        decision: Decision::RequireApproval,
        approvals,
        approver: Some(Arc::clone(&desk)),
        ..Plans::default()
    })
    .await;
    (bench, desk)
}

fn guardian() -> PrincipalId {
    PrincipalId::new("guardian").unwrap()
}

/// Looks until it is so. Its bound only keeps a broken engine from hanging the suite.
#[expect(clippy::future_not_send, reason = "a test has a runtime of its own, on one thread")]
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.expect(what);
}

/// A worker that takes whatever comes until the job is in this status.
async fn work_until(bench: &Bench, job: &Job, status: JobStatus) -> Job {
    let worker = bench.engine.worker(WorkerId::new("worker-2").unwrap());
    let drain = Cancel::new();
    let stop = drain.clone();
    let work = tokio::spawn(async move { worker.run(&stop).await });
    let now = async || bench.engine.job(&author(), &job.id).await.unwrap().status;
    until(status.as_str(), async || now().await == status).await;
    drain.cancel();
    work.await.unwrap();
    bench.engine.job(&author(), &job.id).await.unwrap()
}

/// How many jobs a worker would get now.
async fn ready(bench: &Bench) -> u64 {
    bench.stores.queue.stats(None).await.unwrap().ready.iter().sum()
}

#[tokio::test]
async fn an_approver_that_fails_is_asked_again() {
    let (bench, desk) = asking(1).await;
    desk.fail_once(Error::new(ErrorKind::Unavailable, "the chat is down"));
    // Not the lease's fault, although it sounds like it; and one that nobody would try again.
    desk.fail_once(Error::new(ErrorKind::Fenced, "somebody else sits at the desk"));
    desk.fail_once(Error::invalid("the desk is on fire"));
    let waiting = bench.submit(spec()).await;
    work_until(&bench, &waiting, JobStatus::WaitingApproval).await;
    let drain = Cancel::new();
    let (worker, stop) = (bench.engine.worker(WorkerId::new("worker-3").unwrap()), drain.clone());
    let work = tokio::spawn(async move { worker.run(&stop).await });
    until("the question reaches the desk", async || !desk.questions().is_empty()).await;
    drain.cancel();
    work.await.unwrap();
    assert_eq!(desk.asked(), 4, "three faults and an answer");
}

#[tokio::test]
async fn an_approver_that_says_when_is_asked_then_and_not_before() {
    let (bench, desk) = asking(1).await;
    let later = Error::new(ErrorKind::Unavailable, "busy").retry_after(Duration::from_hours(1));
    desk.fail_once(later);
    let waiting = bench.run(spec()).await;
    assert_eq!((waiting.status, desk.asked()), (JobStatus::WaitingApproval, 1));
    assert_eq!(ready(&bench).await, 0);
    assert_eq!(bench.drive(&waiting).await.status, JobStatus::WaitingApproval);
    assert_eq!(desk.asked(), 1);
}

#[tokio::test]
async fn an_approver_whose_clock_is_behind_is_not_asked_without_a_pause() {
    let (bench, desk) = asking(1).await;
    desk.postpone(Timestamp::default());
    let waiting = bench.run(spec()).await;
    assert_eq!((waiting.status, desk.asked()), (JobStatus::WaitingApproval, 1));
    assert_eq!(ready(&bench).await, 0, "not at once");
}

#[tokio::test]
async fn a_worker_that_dies_asking_leaves_it_to_the_next() {
    let (bench, desk) = asking(1).await;
    desk.hang_once();
    let job = bench.submit(spec()).await;
    let worker = bench.engine.worker(WorkerId::new("doomed").unwrap());
    let (reference, drain) = (job.reference(), Cancel::new());
    let work = tokio::spawn(async move { worker.drive(&reference, &drain).await });
    until("the worker asks", async || desk.asked() == 1).await;
    work.abort();
    let _ = work.await;
    let question =
        bench.engine.job(&author(), &job.id).await.unwrap().gate.unwrap().approval_id.unwrap();
    desk.grant(&question, guardian());
    let job = work_until(&bench, &job, JobStatus::Succeeded).await;
    assert_eq!(job.gate.unwrap().approved_by.as_deref(), Some("guardian"));
    assert_eq!(desk.asked(), 2);
}

#[tokio::test]
async fn a_worker_with_nobody_to_ask_does_not_ask_for_ever() {
    let (bench, desk) = asking(1).await;
    desk.hang_once();
    let job = bench.submit(spec()).await;
    let worker = bench.engine.worker(WorkerId::new("drained").unwrap());
    let (reference, drain) = (job.reference(), Cancel::new());
    let stop = drain.clone();
    let work = tokio::spawn(async move { worker.drive(&reference, &stop).await });
    until("the worker asks", async || desk.asked() == 1).await;
    drain.cancel();
    assert_eq!(work.await.unwrap().unwrap().status, JobStatus::WaitingApproval);
    assert_eq!(ready(&bench).await, 1, "left to whoever can ask");
    let plain = bench.plain.worker(WorkerId::new("plain").unwrap());
    assert!(plain.run_once(&Cancel::new()).await.unwrap());
    assert_eq!(ready(&bench).await, 0, "taken over and over");
}

#[tokio::test]
async fn a_question_on_the_desk_waits_there() {
    let (bench, desk) = asking(1).await;
    let waiting = bench.run(spec()).await;
    assert_eq!((waiting.status, desk.asked()), (JobStatus::WaitingApproval, 1));
    assert_eq!(ready(&bench).await, 0);
    bench.engine.refuse(&reviewer(), &waiting.id, None).await.unwrap();
    assert_eq!(bench.drive(&waiting).await.status, JobStatus::Failed);
}

#[tokio::test]
async fn consent_of_one_has_the_approver_asked_for_the_other() {
    let (bench, desk) = asking(2).await;
    let waiting = bench.run(spec()).await;
    let question = waiting.gate.as_ref().unwrap().approval_id.clone().unwrap();
    desk.grant(&question, guardian());
    assert_eq!(ready(&bench).await, 0, "nobody looks at the desk by themselves");
    bench.engine.approve(&reviewer(), &waiting.id, None).await.unwrap();
    assert_eq!(bench.drive(&waiting).await.status, JobStatus::Succeeded);
}

#[tokio::test]
async fn the_same_consent_twice_is_asked_for_later_and_not_at_once() {
    let (bench, desk) = asking(2).await;
    // Long enough that a busy machine does not ask again before there is an answer.
    let fault = Error::new(ErrorKind::Unavailable, "the chat is down");
    desk.fail_once(fault.retry_after(Duration::from_secs(2)));
    let waiting = bench.run(spec()).await;
    let question = waiting.gate.as_ref().unwrap().approval_id.clone().unwrap();
    desk.grant(&question, guardian());
    until("the pause is over", async || ready(&bench).await == 1).await;
    let again = bench.drive(&waiting).await;
    assert_eq!((again.status, desk.asked()), (JobStatus::WaitingApproval, 3));
    let kinds = bench.kinds(&again).await;
    assert_eq!(kinds.iter().filter(|kind| **kind == "approval_granted").count(), 1);
}

#[tokio::test]
async fn nothing_an_approver_says_in_its_fault_is_shown() {
    let (bench, desk) = asking(1).await;
    let hook = "https://chat.example.org/hooks/s3cr3t-hook";
    let fault = Error::new(ErrorKind::Unavailable, format!("cannot post to {hook}"))
        .code("chat_down")
        .context("url", hook)
        .source(std::io::Error::other(format!("no route to {hook}")));
    desk.fail_once(fault.retry_after(Duration::from_hours(1)));
    let witness = Witness::default();
    let guard = tracing::subscriber::set_default(witness.clone());
    let job = bench.run(spec()).await;
    drop(guard);
    assert_eq!((job.status, desk.asked()), (JobStatus::WaitingApproval, 1));
    let seen = witness.text();
    assert!(
        seen.contains("the approver could not be asked") && seen.contains("chat_down"),
        "{seen}"
    );
    let history = bench.engine.history(&author(), &job.id, 0).await.unwrap();
    let mut shown = vec![seen, format!("{job:?}"), format!("{history:?}")];
    for name in bench.stores.logs.list(&job.reference()).await.unwrap() {
        shown.push(bench.log(&job, &name).await);
    }
    assert!(shown.len() > 3, "there are logs");
    for text in shown {
        assert!(!text.contains("s3cr3t-hook"), "{text}");
    }
}
