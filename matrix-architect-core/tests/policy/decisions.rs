//! From risk to decision.

use matrix_architect_core::{
    evidence::{CheckResult, EvidenceKind},
    policy::{Approvals, Decision, RiskLevel, RulePolicy, Rules, SignalKind, Thresholds, Weight},
    traits::Policy as _,
};

use super::case::{Case, case, evidence};

fn ci() -> Case {
    case("a workflow").edit(".github/workflows/ci.yml", "a\n", "b\n")
}

fn judge() -> Case {
    case("its judge").edit(".matrix/architect.toml", "a\n", "b\n")
}

#[test]
fn low_and_medium_risk_go_on_by_themselves() {
    let low = case("low").edit("src/a.rs", "a\n", "b\n").judge();
    assert_eq!((low.decision, low.risk.level, low.approvals), (Decision::Allow, RiskLevel::Low, 0));
    let medium = case("medium").edit("Dockerfile", "a\n", "b\n").judge();
    assert_eq!((medium.decision, medium.risk.level), (Decision::Allow, RiskLevel::Medium));
}

#[test]
fn high_and_critical_risk_ask_somebody() {
    let high = ci().judge();
    assert_eq!((high.risk.level, high.approvals), (RiskLevel::High, 1));
    assert_eq!(high.decision, Decision::RequireApproval);
    let critical = judge().judge();
    assert_eq!((critical.risk.level, critical.approvals), (RiskLevel::Critical, 1));
    assert_eq!(critical.decision, Decision::RequireApproval);
}

#[test]
fn a_required_check_that_did_not_pass_is_denied_whatever_the_risk() {
    for result in [CheckResult::Failed, CheckResult::Inconclusive] {
        let failed = evidence(EvidenceKind::TestResults, "rust.test", result);
        let verdict = case("red").evidence(failed.summary("57 passed, 1 failed")).judge();
        assert_eq!(verdict.decision, Decision::Deny, "{result:?}");
        assert_eq!(
            verdict.reasons,
            ["The required check rust.test did not pass: 57 passed, 1 failed."]
        );
    }
}

#[test]
fn evidence_that_contradicts_itself_is_denied() {
    let mut says_both = evidence(EvidenceKind::TestResults, "rust.test", CheckResult::Failed);
    says_both.passed = true;
    assert_eq!(case("red in green").evidence(says_both).judge().decision, Decision::Deny);
}

#[test]
fn many_small_reasons_add_up_and_one_grave_one_is_not_averaged_away() {
    let many = case("many")
        .edit("Dockerfile", "a\n", "b\n")
        .edit("Makefile", "a\n", "b\n")
        .deploy("production")
        .judge();
    assert_eq!(many.risk.points, 60);
    assert_eq!(many.risk.level, RiskLevel::High, "three medium reasons together");
    let grave = judge().edit("README.md", "a\n", "b\n").judge();
    assert_eq!(grave.risk.level, RiskLevel::Critical);
}

#[test]
fn the_sum_is_bounded_by_one_hundred() {
    let verdict = judge()
        .edit(".github/workflows/ci.yml", "a\n", "b\n")
        .edit("src/auth/a.rs", "a\n", "b\n")
        .judge();
    assert_eq!(verdict.risk.points, 100);
}

#[test]
fn the_requester_can_ask_for_more_approvals_and_never_for_fewer() {
    let mut low = case("low").edit("src/a.rs", "a\n", "b\n");
    low.constraints.min_approvals = 2;
    let verdict = low.judge();
    assert_eq!((verdict.decision, verdict.approvals), (Decision::RequireApproval, 2));
    assert!(verdict.reasons.iter().any(|reason| reason.contains("2 other people")));
    let mut high = ci();
    high.constraints.min_approvals = 0;
    assert_eq!(high.judge().approvals, 1);
}

#[test]
fn an_operator_can_ask_for_two_on_critical_risk() {
    let approvals = Approvals { critical: 2, ..Approvals::default() };
    let policy = RulePolicy::new(Rules { approvals, ..Rules::default() }).unwrap();
    assert_eq!(judge().judge_by(&policy).approvals, 2);
    assert_eq!(ci().judge_by(&policy).approvals, 1);
}

#[test]
fn an_operator_can_weigh_a_signal_differently() {
    let weight = Weight { points: 1, floor: RiskLevel::Low };
    let weights = [(SignalKind::TouchesCi, weight)].into();
    let policy = RulePolicy::new(Rules { weights, ..Rules::default() }).unwrap();
    let verdict = ci().judge_by(&policy);
    assert_eq!((verdict.decision, verdict.risk.points), (Decision::Allow, 1));
}

#[test]
fn the_judge_stays_the_judge_whatever_the_globs_say() {
    let rules: Rules = serde_json::from_str(r#"{ "globs": { "judge": ["ops/**"] } }"#).unwrap();
    let policy = RulePolicy::new(rules).unwrap();
    assert_eq!(judge().judge_by(&policy).risk.level, RiskLevel::Critical);
    let ops = case("ops").edit("ops/x", "a\n", "b\n");
    assert_eq!(ops.judge_by(&policy).risk.level, RiskLevel::Critical);
}

#[test]
fn an_allowed_breaking_change_is_named_and_adds_nothing() {
    let mut case = case("a public function goes").edit("src/a.rs", "pub fn a() {}\nx\n", "x\n");
    assert_eq!(case.judge().decision, Decision::RequireApproval);
    case.constraints.allow_breaking_changes = true;
    let verdict = case.judge();
    assert_eq!((verdict.decision, verdict.risk.points), (Decision::Allow, 0));
    assert!(verdict.risk.signals[0].detail.contains("allowed"));
}

#[test]
fn reasons_are_sentences() {
    let verdict = ci().judge();
    assert_eq!(
        verdict.reasons,
        [
            "The risk is high, 30 of 100 points.",
            "Touches ci: .github/workflows/ci.yml (+30, at least high).",
            "One other person must agree to a change of high risk."
        ]
    );
}

#[test]
fn rules_that_contradict_themselves_are_refused_by_name() {
    let refused = |json: &str| {
        let rules: Rules = serde_json::from_str(json).unwrap();
        RulePolicy::new(rules).unwrap_err().to_string()
    };
    for (json, field) in [
        (r#"{ "thresholds": { "medium": 60 } }"#, "thresholds"),
        (r#"{ "thresholds": { "medium": 0 } }"#, "thresholds"),
        (r#"{ "approvals": { "low": 3 } }"#, "approvals"),
        (r#"{ "approvals": { "critical": 21 } }"#, "approvals"),
        (r#"{ "weights": { "touches_ci": { "points": 101 } } }"#, "weights"),
        (r#"{ "size": { "lines": [5, 1] } }"#, "size"),
        (r#"{ "globs": { "auth": ["[a"] } }"#, "globs"),
    ] {
        assert!(refused(json).contains(field), "{}", refused(json));
    }
    for unknown in [r#"{ "weight": {} }"#, r#"{ "weights": { "touches_cl": { "points": 1 } } }"#] {
        assert!(serde_json::from_str::<Rules>(unknown).is_err(), "{unknown}");
    }
}

#[test]
fn other_rules_are_another_policy() {
    let digest = |rules| RulePolicy::new(rules).unwrap().info().digest;
    let other = Rules {
        thresholds: Thresholds { medium: 26, ..Thresholds::default() },
        ..Rules::default()
    };
    assert_ne!(digest(Rules::default()), digest(other));
    assert_eq!(digest(Rules::default()), digest(Rules::default()));
}
