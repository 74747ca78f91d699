//! After any legal history the stored record is the fold of the events, in every backend.

use std::time::Duration;

use matrix_architect_core::{
    artifact::{Artifact, ArtifactKind},
    conformance::{
        Serves,
        sample::{cancelled, commit, new_job, planned, worker},
    },
    event::{ApprovalRequest, Event, Grant, Resolution, StageOutput},
    evidence::{CheckResult, Evidence, EvidenceKind},
    failure::Failure,
    id::{ApprovalId, Digest, PrincipalId, TenantId},
    pipeline::{JobRecord, Stage},
    plan::{StepExecution, StepStatus},
    policy::PolicyGate,
    time::Timestamp,
    traits::Store,
};
use proptest::test_runner::{Config, TestRunner};

use crate::common;

/// Every kind of event that may be legal now, in a shape that fits the record.
#[expect(clippy::too_many_lines, reason = "a list of all of them")]
fn palette(record: &JobRecord, at: Timestamp) -> Vec<Event> {
    let digest = Digest::of(b"content");
    let failure = Failure::new("flaky", "it failed");
    let retry_at = at + Duration::from_secs(5);
    let gate = Box::new(PolicyGate { allowed: true, ..PolicyGate::default() });
    let question = ApprovalId::from_number(1);
    let generation = record.state.generation;
    let target = "systemd/staging/web".to_owned();
    let mut events = vec![
        planned(),
        Event::Finished(StageOutput::Patch { patch_hash: digest, patch: digest, tree: digest }),
        Event::Finished(StageOutput::Verify { evidence: digest, bundle: digest }),
        Event::Finished(StageOutput::Gate { gate: gate.clone(), binding: digest, summary: digest }),
        Event::Finished(StageOutput::Deploy {}),
        Event::AttemptFailed { stage: None, failure: failure.clone(), retry_at },
        Event::WorkerLost { worker: Some(worker(1)) },
        cancelled(),
        Event::ApprovalRequested(ApprovalRequest {
            id: question.clone(),
            binding: digest,
            generation,
            required: 2,
            expires_at: at + Duration::from_hours(1),
            gate,
        }),
        Event::Replanned { reason: "the base moved".to_owned() },
        Event::TargetIntended { target: target.clone() },
        Event::TargetUndone { target, release: None },
        Event::RollbackStarted { worker: worker(2) },
        Event::RolledBack,
        Event::OperatorResolved { resolution: Resolution::RetryRollback },
        Event::StepIntended { step: "push".to_owned() },
        Event::StepDone { step: "push".to_owned(), digest },
        Event::EvidenceRecorded(Box::new(
            Evidence::new(EvidenceKind::TestResults, "rust.test", CheckResult::Passed, at)
                .detail("exit_code", 0),
        )),
        Event::StepReported(StepExecution {
            step_id: "one".to_owned(),
            status: StepStatus::Completed,
            started_at: Some(at),
            completed_at: None,
            error: None,
            artifacts: vec!["log".to_owned()],
        }),
        Event::ArtifactRecorded(Artifact::new(
            ArtifactKind::Report,
            "report",
            "text/plain",
            (digest, 7),
            at,
        )),
    ];
    events.extend((10..13).map(|by| {
        let by = PrincipalId::from_number(by);
        let (id, binding) = (question.clone(), digest);
        Event::ApprovalGranted(Grant { id, binding, generation, by, comment: None })
    }));
    events.extend(Stage::ALL.into_iter().flat_map(|stage| {
        let failure = failure.clone();
        [
            Event::Started { stage, worker: worker(1) },
            Event::AttemptFailed { stage: Some(stage), failure, retry_at },
            Event::Stopped { stage },
        ]
    }));
    events
}

/// Commits a legal event for each choice; the choices name it among those that are legal.
async fn walk(harness: &mut impl Serves<dyn Store>, choices: &[u8]) -> JobRecord {
    let mut new = new_job(&TenantId::default(), 1, harness.now().await);
    new.spec.constraints.max_attempts = 50;
    let mut record = harness.backend().create(vec![new.clone()]).await.unwrap().remove(0);
    for (number, choice) in (1..).zip(choices) {
        harness.elapse(Duration::from_millis(1)).await;
        let now = harness.now().await;
        let legal = palette(&record, now);
        // Seldom, for it ends most walks.
        let may_cancel = *choice > 230;
        let legal = legal.into_iter().filter(|event| {
            (may_cancel || *event != cancelled()) && record.state.after(event, now).is_ok()
        });
        let mut legal: Vec<_> = legal.collect();
        if legal.is_empty() {
            break;
        }
        let event = legal.swap_remove(usize::from(*choice) % legal.len());
        let write = commit(&record, number, None, vec![event], now).unwrap();
        harness.backend().commit(&new.job, write).await.unwrap();
        record = harness.backend().load(&new.job).await.unwrap();
    }
    harness.reopen().await;
    let store = harness.backend();
    let history = store.history(&new.job, 0, usize::MAX).await.unwrap();
    assert_eq!(history.len() as u64, record.version.0);
    assert_eq!(JobRecord::fold(&new, history).unwrap(), record);
    assert_eq!(store.load(&new.job).await.unwrap(), record);
    record
}

#[test]
fn after_any_legal_walk_the_record_is_the_fold_of_the_history() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    let choices = proptest::collection::vec(proptest::num::u8::ANY, 1..60);
    let longest = std::cell::Cell::new(0);
    TestRunner::new(config)
        .run(&choices, |choices| {
            runtime.block_on(async {
                let memory = walk(&mut common::memory::Harness::fresh(), &choices).await;
                let sqlite = walk(&mut common::sqlite::Harness::fresh().await, &choices).await;
                assert_eq!(memory, sqlite);
                longest.set(longest.get().max(memory.version.0));
            });
            Ok(())
        })
        .unwrap();
    assert!(longest.get() > 15, "the walks went somewhere: {}", longest.get());
}
