//! The labelled set as a whole.

use std::collections::BTreeMap;

use matrix_architect_core::policy::{Decision, SignalKind};

use super::case::Case;

pub(crate) fn all() -> Vec<Case> {
    [
        super::harmless::cases(),
        super::places::cases(),
        super::dependencies::cases(),
        super::schema::cases(),
        super::weakening::cases(),
        super::origin::cases(),
        super::configuration::cases(),
        super::evasions::cases(),
    ]
    .concat()
}

#[test]
fn each_change_raises_its_signals_and_no_other() {
    let cases = all();
    assert!(cases.len() >= 100, "{} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let risk = case.judge().risk;
        let mut raised: Vec<_> = risk.signals.iter().map(|signal| signal.name.as_str()).collect();
        raised.sort_unstable();
        if raised != case.expected {
            wrong.push(format!("{}: raised {raised:?}, not {:?}", case.label, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn each_signal_is_raised_by_at_least_two_changes() {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for case in all() {
        case.expected.iter().for_each(|name| *times.entry(name).or_default() += 1);
    }
    for kind in SignalKind::ALL {
        let count = times.remove(kind.as_str()).unwrap_or_default();
        assert!(count >= 2, "{kind} is raised by {count} changes");
    }
    assert!(times.is_empty(), "unknown signals: {times:?}");
}

#[test]
fn every_point_is_explained() {
    for case in all() {
        let verdict = case.judge();
        let risk = &verdict.risk;
        let sum: u32 = risk.signals.iter().map(|signal| signal.points).sum();
        assert_eq!(risk.points, sum.min(100), "{}", case.label);
        for signal in &risk.signals {
            assert!(!signal.detail.is_empty(), "{}: {}", case.label, signal.name);
            assert!(risk.level >= signal.floor, "{}: {}", case.label, signal.name);
            // A denial names the check that failed; the score is beside the point then.
            let said = verdict.decision == Decision::Deny
                || verdict.reasons.iter().any(|reason| reason.contains(&signal.detail));
            assert!(said, "{}: {} is not in {:?}", case.label, signal.name, verdict.reasons);
        }
    }
}

#[test]
fn the_same_change_gets_the_same_verdict() {
    for case in all() {
        assert_eq!(case.judge(), case.judge(), "{}", case.label);
    }
}
