//! Every phase with every event, as a table that stands in the repository.

use std::fmt::Write as _;

use super::samples::{NOW, TARGET, digest, events, name, release, request, state};
use crate::pipeline::{ApprovalState, Ending, JobState, Phase, Stage, TargetState, TargetStep};

/// A state in that phase in which as much as possible is legal.
fn in_phase(phase: Phase) -> JobState {
    let mut state = state();
    state.phase = phase;
    let delivering = matches!(phase.stage(), Some(Stage::Deploy | Stage::Publish));
    if delivering
        || matches!(phase, Phase::RollbackReady | Phase::RollingBack | Phase::NeedsOperator)
    {
        state.refs.summary = Some(digest("summary"));
        let step = match phase {
            Phase::Running(Stage::Deploy) => TargetStep::Intended,
            _ => TargetStep::Applied(Box::new(release())),
        };
        state.targets = vec![TargetState { name: TARGET.to_owned(), step }];
        state.ending = Some(Ending::Cancelled);
    }
    if phase == Phase::AwaitingApproval {
        state.approval = Some(ApprovalState { request: request(1), grants: Vec::new() });
    }
    state
}

#[test]
fn every_phase_with_every_event_ends_where_the_table_says() {
    let mut table = String::new();
    for phase in Phase::all() {
        let state = in_phase(phase);
        writeln!(table, "{phase}").unwrap();
        for event in events(1) {
            if let Ok(next) = state.after(&event, NOW) {
                writeln!(table, "    {:<36} {}", name(&event), next.phase).unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn an_illegal_event_names_phase_event_and_rule() {
    let mut state = in_phase(Phase::Ready(Stage::Deploy));
    state.refs.summary = None;
    let event = crate::event::Event::Started {
        stage: Stage::Deploy,
        worker: crate::id::WorkerId::from_number(1),
    };
    let illegal = state.after(&event, NOW).unwrap_err();
    assert_eq!(
        illegal.to_string(),
        "'started' may not happen while the job is ready for DEPLOY: \
         the gate has not let this generation through"
    );
}
