//! What is judged, and by whose rules: promises 1 to 5.

use super::{
    Judges,
    wish::{Outcome, Wish, plan},
};
use crate::{
    error::Result,
    evidence::{CheckResult, EvidenceKind},
};

/// Promise 1.
pub async fn a_failed_check_is_evidence_not_an_error(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true), ("halves", true)]);
    let bad = harness.project(&[("adds", true), ("halves", false)]);
    let passed = Wish::new(&good, &good).verify(&harness).await?.suite();
    assert_eq!((passed.result, passed.passed), (CheckResult::Passed, true), "{passed:?}");
    let failed = Wish::new(&good, &bad).verify(&harness).await?.suite();
    assert_eq!((failed.result, failed.passed), (CheckResult::Failed, false), "{failed:?}");
    assert!(failed.required);
    assert_eq!(failed.tests.map(|tests| (tests.passed, tests.failed)), Some((1, 1)));
    assert!(failed.findings.iter().any(|finding| finding.name.contains("halves")), "{failed:?}");
    Ok(())
}

/// Promise 2.
pub async fn a_check_that_cannot_decide_is_inconclusive(harness: impl Judges) -> Result<()> {
    let empty = harness.project(&[]);
    let suite = Wish::new(&empty, &empty).verify(&harness).await?.suite();
    assert_eq!((suite.result, suite.passed), (CheckResult::Inconclusive, false), "{suite:?}");

    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.commands = vec!["no-such-program-anywhere --now".to_owned()];
    let outcome = wish.verify(&harness).await?;
    let evidence = outcome.sink.evidence();
    let command = evidence.iter().find(|e| e.kind == EvidenceKind::CommandCheck);
    assert_eq!(command.map(|e| (e.result, e.passed)), Some((CheckResult::Inconclusive, false)));
    Ok(())
}

/// Promise 3.
pub async fn the_rules_come_from_the_base_tree(harness: impl Judges) -> Result<()> {
    let base = harness.project(&[("adds", true)]);
    let mut lax = harness.project(&[("adds", false)]);
    for path in harness.rules() {
        assert!(lax.remove(&path).is_some(), "{path} is no file of the project");
    }
    let suite = Wish::new(&base, &lax).verify(&harness).await?.suite();
    assert_eq!((suite.result, suite.required), (CheckResult::Failed, true), "{suite:?}");
    Ok(())
}

/// Promise 4.
pub async fn a_plans_commands_only_add_checks(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let bad = harness.project(&[("adds", false)]);
    let names = |outcome: &Outcome| -> Vec<String> {
        outcome.sink.evidence().into_iter().map(|evidence| evidence.name).collect()
    };
    let alone = Wish::new(&good, &bad).verify(&harness).await?;
    let mut wish = Wish::new(&good, &bad);
    wish.plan = plan(&[&["true"], &["exit 0"]]);
    let with_plan = wish.verify(&harness).await?;
    assert_eq!(with_plan.suite().result, CheckResult::Failed);
    assert!(names(&alone).iter().all(|name| names(&with_plan).contains(name)));
    assert!(names(&with_plan).len() >= names(&alone).len() + 2);

    let mut wish = Wish::new(&good, &good);
    wish.plan = plan(&[&["false"]]);
    let outcome = wish.verify(&harness).await?;
    assert_eq!(outcome.suite().result, CheckResult::Passed);
    assert!(outcome.sink.evidence().iter().any(|e| e.result == CheckResult::Failed && e.required));
    Ok(())
}

/// Promise 5.
pub async fn a_failure_that_was_there_before_is_marked(harness: impl Judges) -> Result<()> {
    let old = harness.project(&[("adds", true), ("halves", false), ("doubles", true)]);
    let suite = Wish::new(&old, &old).verify(&harness).await?.suite();
    assert_eq!((suite.result, suite.passed), (CheckResult::Warned, true), "{suite:?}");
    assert!(suite.findings.iter().all(|finding| finding.preexisting));

    let new = harness.project(&[("adds", true), ("halves", false), ("doubles", false)]);
    let suite = Wish::new(&old, &new).verify(&harness).await?.suite();
    assert_eq!((suite.result, suite.passed), (CheckResult::Failed, false), "{suite:?}");
    let fresh: Vec<_> = suite.findings.iter().filter(|finding| !finding.preexisting).collect();
    assert!(fresh.len() == 1 && fresh[0].name.contains("doubles"), "{suite:?}");
    assert_eq!(suite.findings.len(), 2);
    Ok(())
}
