//! Every state that can be reached, and what must hold in each.
//!
//! The walk takes the rules as an argument, so that rules with a planted mistake can be walked,
//! too: a check that has never failed proves nothing.

use std::collections::{BTreeSet, VecDeque};

use super::samples::{NOW, events, name, state};
use crate::{
    event::Event,
    pipeline::{ApprovalState, Ending, JobState, Phase, Stage, TargetStep},
};

type Rules = fn(&JobState, &Event) -> Option<JobState>;

fn rules(state: &JobState, event: &Event) -> Option<JobState> {
    state.after(event, NOW).ok()
}

struct Walk {
    states: Vec<JobState>,
    violations: BTreeSet<String>,
}

/// Breadth first over all states, until none is new.
fn walk(rules: Rules) -> Walk {
    let mut seen = BTreeSet::new();
    let mut queue = VecDeque::from([state()]);
    let mut found = Walk { states: Vec::new(), violations: BTreeSet::new() };
    while let Some(state) = queue.pop_front() {
        // Retries over all stages only ever grow and decide nothing.
        let mut key = state.clone();
        key.counters.retries = 0;
        if !seen.insert(serde_json::to_string(&key).unwrap()) {
            continue;
        }
        found.violations.extend(violations(&state));
        for event in events(state.generation) {
            if let Some(next) = rules(&state, &event) {
                found.violations.extend(step_violations(&state, &event, &next));
                queue.push_back(next);
            }
        }
        found.states.push(state);
    }
    found
}

fn violations(state: &JobState) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |holds: bool, rule: &str| {
        if !holds {
            found.push(format!("{rule} ({})", state.phase));
        }
    };
    let delivering = matches!(
        state.phase,
        Phase::Ready(Stage::Deploy | Stage::Publish)
            | Phase::Running(Stage::Deploy | Stage::Publish)
    );
    let through = state.refs.summary.is_some();
    check(!delivering || through, "nothing is delivered without the gate's summary");
    check(state.phase != Phase::Succeeded || through, "no job succeeds without the gate");
    check(!state.has_effects() || through, "no target is touched without the gate");
    let applied = |t: &crate::pipeline::TargetState| matches!(t.step, TargetStep::Applied(_));
    let everywhere = state.targets.len() == 1 && state.targets.iter().all(applied);
    check(state.phase != Phase::Succeeded || everywhere, "a job that succeeds is everywhere");
    let granted = state.approval.as_ref().is_none_or(ApprovalState::is_granted);
    check(!through || granted, "the gate does not pass an open question");
    let waiting = state.phase == Phase::AwaitingApproval;
    check(!waiting || state.deadline.is_none(), "a wait does not count against the deadline");
    check(!waiting || !state.has_effects(), "nothing is touched before consent");
    let ended = matches!(state.phase, Phase::Failed | Phase::Cancelled);
    check(!ended || state.ending.is_some(), "a job that ended says how");
    let cancelled = state.phase == Phase::Cancelled;
    check(
        !cancelled || state.ending == Some(Ending::Cancelled),
        "only a cancelled job is cancelled",
    );
    check(state.generation <= state.limits.max_generations, "plans are bounded");
    let attempts = state.counters.attempts <= state.limits.max_attempts;
    check(attempts, "attempts are bounded");
    check(state.counters.losses <= state.limits.max_losses, "losses are bounded");
    found
}

fn step_violations(before: &JobState, event: &Event, after: &JobState) -> Vec<String> {
    let mut found = Vec::new();
    if before.phase.is_terminal() {
        found.push(format!("something happened after the end: {}", name(event)));
    }
    let was_live = before.has_effects();
    let undone = matches!(event, Event::TargetUndone { .. });
    if was_live && !after.has_effects() && !undone {
        found.push(format!("a target was forgotten by {}", name(event)));
    }
    let accepted = matches!(event, Event::OperatorResolved { .. });
    // A release stays when publishing it failed, in whichever way, unless told otherwise.
    let publishing = before.phase.stage() == Some(Stage::Publish);
    let kept = publishing && !before.cancelling && after.phase == Phase::Failed;
    let dead = matches!(after.phase, Phase::Failed | Phase::Cancelled);
    if dead && after.has_effects() && !accepted && !kept {
        found.push(format!("{} ended the job with a target touched", name(event)));
    }
    found
}

#[test]
fn every_phase_is_reached_and_every_invariant_holds() {
    let walk = walk(rules);
    assert_eq!(walk.violations, BTreeSet::new());
    let reached: BTreeSet<Phase> = walk.states.iter().map(|state| state.phase).collect();
    assert_eq!(reached, Phase::all().collect());
    assert!(walk.states.len() > 1000, "only {} states: the walk is vacuous", walk.states.len());
}

#[test]
fn every_event_is_legal_somewhere_and_illegal_somewhere() {
    let walk = walk(rules);
    for event in events(1) {
        let name = name(&event);
        let legal = walk.states.iter().filter(|s| s.generation == 1 && rules(s, &event).is_some());
        // The author's own consent is the one event that no state allows.
        assert_eq!(legal.count() > 0, name != "approval_granted by author", "{name}");
        assert!(walk.states.iter().any(|state| rules(state, &event).is_none()), "{name}");
    }
}

#[test]
fn from_every_state_that_has_not_ended_some_event_leads_on() {
    for state in walk(rules).states.iter().filter(|state| !state.phase.is_terminal()) {
        let moves = events(state.generation)
            .iter()
            .any(|event| rules(state, event).is_some_and(|next| next != *state));
        assert!(moves, "nothing leads out of {state:?}");
    }
}

/// Plants one mistake after the other and expects the walk to notice each.
#[test]
fn a_planted_mistake_is_noticed() {
    let deploy_without_gate: Rules = |state, event| {
        let next = rules(state, event)?;
        let verified = matches!(event, Event::Finished(output) if output.stage() == Stage::Verify);
        let phase = if verified { Phase::Ready(Stage::Deploy) } else { next.phase };
        Some(JobState { phase, ..next })
    };
    let question_opens_deploy: Rules = |state, event| {
        let next = rules(state, event)?;
        let asked = matches!(event, Event::ApprovalRequested(_));
        let phase = if asked { Phase::Ready(Stage::Deploy) } else { next.phase };
        Some(JobState { phase, ..next })
    };
    let cancel_forgets_targets: Rules = |state, event| {
        let next = rules(state, event)?;
        let phase = match next.phase {
            Phase::RollbackReady if next.ending == Some(Ending::Cancelled) => Phase::Cancelled,
            phase => phase,
        };
        Some(JobState { phase, ..next })
    };
    let replan_keeps_the_summary: Rules = |state, event| {
        let mut next = rules(state, event)?;
        if matches!(event, Event::Replanned { .. }) {
            next.approval.clone_from(&state.approval);
            next.refs.summary = next.approval.as_ref().map(|approval| approval.request.binding);
        }
        Some(next)
    };
    let mutants: [(&str, Rules); 4] = [
        ("deploy without gate", deploy_without_gate),
        ("a question opens deploy", question_opens_deploy),
        ("cancel forgets targets", cancel_forgets_targets),
        ("a new plan keeps the old consent", replan_keeps_the_summary),
    ];
    for (mutant, rules) in mutants {
        assert!(!walk(rules).violations.is_empty(), "nobody noticed: {mutant}");
    }
}
