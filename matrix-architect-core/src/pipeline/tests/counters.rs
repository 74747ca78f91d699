//! Counters at nothing, one before their bound and at it; time; consent.

use super::samples::{NOW, digest, grant, later, new_job, output, request, state};
use crate::{
    event::Event,
    failure::Failure,
    id::WorkerId,
    pipeline::{Dispatch, Ending, JobRecord, JobState, Phase, Stage, due},
    time::Timestamp,
};

fn after(state: &JobState, events: &[Event]) -> JobState {
    events.iter().fold(state.clone(), |state, event| state.after(event, NOW).unwrap())
}

fn started(stage: Stage) -> Event {
    Event::Started { stage, worker: WorkerId::from_number(1) }
}

fn attempt_failed(stage: Stage) -> Event {
    Event::AttemptFailed {
        stage: Some(stage),
        failure: Failure::new("flaky", "try again"),
        retry_at: later(9),
    }
}

fn in_gate() -> JobState {
    let passed = [Stage::Plan, Stage::Patch, Stage::Verify];
    let events = passed.map(|stage| [started(stage), Event::Finished(output(stage, false))]);
    after(&after(&state(), &events.concat()), &[started(Stage::Gate)])
}

fn failure_code(state: &JobState) -> &str {
    match &state.ending {
        Some(Ending::Failed(failure)) => &failure.code,
        other => panic!("not failed: {other:?}"),
    }
}

#[test]
fn the_last_attempt_that_fails_fails_the_job() {
    let first = after(&state(), &[started(Stage::Plan), attempt_failed(Stage::Plan)]);
    assert_eq!(first.phase, Phase::Ready(Stage::Plan));
    assert_eq!(first.dispatch(NOW), Dispatch::Ready { at: later(9) });
    let last = after(&first, &[started(Stage::Plan), attempt_failed(Stage::Plan)]);
    assert_eq!(last.phase, Phase::Failed);
    assert_eq!(failure_code(&last), "flaky");
    assert_eq!(last.counters.retries, 1);
}

#[test]
fn a_lost_worker_is_no_failed_attempt_but_too_many_end_the_job() {
    let lost = Event::WorkerLost { worker: None };
    let mut current = state();
    for loss in 1..=current.limits.max_losses {
        current = after(&current, &[started(Stage::Plan), lost.clone()]);
        assert_eq!((current.phase, current.counters.losses), (Phase::Ready(Stage::Plan), loss));
        assert_eq!(current.counters.attempts, 0);
    }
    current = after(&current, &[started(Stage::Plan), lost]);
    assert_eq!(failure_code(&current), "workers_lost");
}

#[test]
fn the_next_stage_begins_with_fresh_counters() {
    let flaky = [started(Stage::Plan), attempt_failed(Stage::Plan), started(Stage::Plan)];
    let next = after(&after(&state(), &flaky), &[Event::Finished(output(Stage::Plan, false))]);
    assert_eq!((next.counters.attempts, next.counters.losses), (0, 0));
    assert_eq!(next.retry_at, None);
}

#[test]
fn plans_are_bounded() {
    let replanned = Event::Replanned { reason: "the base moved".to_owned() };
    let planned = [started(Stage::Plan), Event::Finished(output(Stage::Plan, false))];
    let mut current = after(&state(), &planned);
    for _ in 1..current.limits.max_generations {
        current = after(&after(&current, std::slice::from_ref(&replanned)), &planned);
    }
    let illegal = current.after(&replanned, NOW).unwrap_err();
    assert_eq!(illegal.reason, "it was planned too often");
}

#[test]
fn the_wait_for_consent_does_not_count_against_the_deadline() {
    let running = in_gate();
    let limit = running.limits.max_duration;
    assert_eq!(running.deadline, Some(NOW + limit));
    let asked = running.after(&Event::ApprovalRequested(request(1)), later(600)).unwrap();
    assert_eq!(asked.deadline, None);
    assert_eq!(due(&asked, later(3599)), None);
    let granted = asked.after(&Event::ApprovalGranted(grant(1, "reviewer")), later(3000)).unwrap();
    assert_eq!(granted.phase, Phase::Ready(Stage::Gate));
    let going_on = granted.after(&started(Stage::Gate), later(3100)).unwrap();
    let left = limit.checked_sub(std::time::Duration::from_mins(10)).unwrap();
    assert_eq!(going_on.deadline, Some(later(3100) + left));
}

#[test]
fn time_makes_a_question_lapse_and_a_job_late() {
    let asked = after(&in_gate(), &[Event::ApprovalRequested(request(1))]);
    assert_eq!(asked.dispatch(NOW), Dispatch::Ready { at: later(3600) });
    let lapsed = due(&asked, later(3600)).unwrap();
    assert_eq!(failure_code(&asked.after(&lapsed, later(3600)).unwrap()), "approval_expired");

    let running = in_gate();
    assert_eq!(due(&running, later(3599)), None);
    let late = due(&running, later(3600)).unwrap();
    assert_eq!(failure_code(&running.after(&late, later(3600)).unwrap()), "deadline_exceeded");
    assert_eq!(due(&state(), Timestamp::MAX), None, "a job that never ran has no deadline");
}

#[test]
fn consent_is_to_one_thing_by_distinct_others() {
    let mut question = request(1);
    question.required = 2;
    let asked = after(&in_gate(), &[Event::ApprovalRequested(question)]);
    let refused = |grant: crate::event::Grant| {
        asked.after(&Event::ApprovalGranted(grant), NOW).unwrap_err().reason
    };
    assert_eq!(refused(grant(1, "author")), "whoever asked for a change cannot approve it");
    let mut other = grant(1, "reviewer");
    other.binding = digest("another patch");
    assert_eq!(refused(other), "the answer is about something else");
    assert_eq!(refused(grant(2, "reviewer")), "the answer is to another question");

    let one = after(&asked, &[Event::ApprovalGranted(grant(1, "reviewer"))]);
    assert_eq!(one.phase, Phase::AwaitingApproval);
    let again = one.after(&Event::ApprovalGranted(grant(1, "reviewer")), NOW).unwrap_err();
    assert_eq!(again.reason, "the same principal agreed already");
    let two = after(&one, &[Event::ApprovalGranted(grant(1, "auditor"))]);
    assert_eq!(two.phase, Phase::Ready(Stage::Gate));
}

#[test]
fn consent_dies_with_the_plan_it_was_given_to() {
    let granted = after(
        &in_gate(),
        &[
            Event::ApprovalRequested(request(1)),
            Event::ApprovalGranted(grant(1, "reviewer")),
            Event::Replanned { reason: "the base moved".to_owned() },
        ],
    );
    assert_eq!((granted.generation, granted.approval), (2, None));
}

#[test]
fn the_gate_cannot_pass_on_consent_to_something_else() {
    let granted = after(
        &in_gate(),
        &[
            Event::ApprovalRequested(request(1)),
            Event::ApprovalGranted(grant(1, "reviewer")),
            started(Stage::Gate),
        ],
    );
    let crate::event::StageOutput::Gate { gate, summary, .. } = output(Stage::Gate, true) else {
        panic!("not the gate's output")
    };
    let changed =
        crate::event::StageOutput::Gate { gate, binding: digest("another patch"), summary };
    let illegal = granted.after(&Event::Finished(changed), NOW).unwrap_err();
    assert_eq!(illegal.reason, "the consent was to something else");
}

#[test]
fn a_record_is_the_fold_of_its_history() {
    let mut record = JobRecord::new(&new_job());
    let mut history = Vec::new();
    for stage in [Stage::Plan, Stage::Patch, Stage::Verify] {
        for event in [started(stage), Event::Finished(output(stage, false))] {
            record.apply(&event, NOW).unwrap();
            history.push(crate::event::EventEnvelope {
                seq: record.version.0,
                at: NOW,
                actor: crate::event::Actor::System,
                v: crate::pipeline::EVENT_VERSION,
                event,
            });
        }
    }
    let text = serde_json::to_string(&history).unwrap();
    let read: Vec<crate::event::EventEnvelope> = serde_json::from_str(&text).unwrap();
    assert_eq!(JobRecord::fold(&new_job(), read).unwrap(), record);
}
