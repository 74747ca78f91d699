//! What the requester demands, held against what came out.

use matrix_architect_core::{
    error::Result,
    evidence::{CheckResult, Evidence, EvidenceKind},
};

use super::examine::Examiner;

/// Adds evidence for each demand that was not met, and for the coverage threshold either way.
pub(super) async fn demands(examiner: &mut Examiner<'_>) -> Result<()> {
    let constraints = examiner.cx.constraints;
    let has = |kind| examiner.outcomes.iter().any(|outcome| outcome.kind == kind && outcome.passed);
    let tested = examiner.outcomes.iter().any(|outcome| outcome.passed && outcome.ran_tests);
    let built = has(EvidenceKind::BuildLogs);
    if constraints.require_tests && !tested {
        let why = "tests are required and no test suite passed";
        fail(examiner, EvidenceKind::TestResults, "constraint.tests", why).await?;
    }
    if constraints.require_build && !built {
        let why = "a build is required and none passed";
        fail(examiner, EvidenceKind::BuildLogs, "constraint.build", why).await?;
    }
    match constraints.coverage_threshold {
        Some(threshold) => coverage(examiner, threshold).await,
        None => Ok(()),
    }
}

async fn fail(
    examiner: &mut Examiner<'_>,
    kind: EvidenceKind,
    name: &str,
    why: &str,
) -> Result<()> {
    let now = examiner.cx.clock.now();
    let evidence = Evidence::new(kind, name, CheckResult::Failed, now).summary(why);
    examiner.record(evidence, None).await
}

/// Of several coverage reports the lowest counts.
async fn coverage(examiner: &mut Examiner<'_>, threshold: f64) -> Result<()> {
    let reached = examiner.outcomes.iter().filter_map(|outcome| outcome.coverage).reduce(f64::min);
    let (result, summary) = match reached {
        None => (
            CheckResult::Inconclusive,
            format!(
                "{threshold} % of lines are to be reached and there is no coverage report; \
                 add a check with parser \"lcov\" or \"cobertura\" to .matrix/architect.toml"
            ),
        ),
        Some(percent) if percent < threshold => {
            (CheckResult::Failed, format!("{percent:.1} % of lines reached, not {threshold} %"))
        }
        Some(percent) => (CheckResult::Passed, format!("{percent:.1} % of lines reached")),
    };
    let now = examiner.cx.clock.now();
    let evidence = Evidence::new(EvidenceKind::CoverageReport, "constraint.coverage", result, now);
    examiner.record(evidence.summary(summary), None).await
}
