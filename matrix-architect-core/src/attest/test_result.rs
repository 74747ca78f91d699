//! The in-toto
//! [test result](https://github.com/in-toto/attestation/blob/main/spec/predicates/test-result.md),
//! version 0.1: how one check came out.

use serde::{Deserialize, Serialize};

use super::statement::{Predicate, Resource, Statement, Subject};
use crate::{
    error::Result,
    evidence::{CheckResult, Evidence},
};

/// The `predicateType` of a test result.
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";

/// How one check came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TestResult {
    /// How.
    pub result: TestOutcome,
    /// The evidence and the raw reports behind it.
    pub configuration: Vec<Resource>,
    /// Where it can be looked at.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// What passed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passed_tests: Vec<String>,
    /// What passed with warnings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned_tests: Vec<String>,
    /// What failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_tests: Vec<String>,
}

/// How a check came out. There is no word for "could not be decided", so that is `FAILED`: it is
/// never `PASSED`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum TestOutcome {
    /// Nothing was wrong.
    Passed,
    /// Something was, but it stops nothing.
    Warned,
    /// Something was, or it could not be told.
    Failed,
}

impl Predicate for TestResult {
    const TYPE: &'static str = TEST_RESULT;
}

impl From<CheckResult> for TestOutcome {
    fn from(result: CheckResult) -> Self {
        match result {
            CheckResult::Passed => Self::Passed,
            CheckResult::Warned => Self::Warned,
            CheckResult::Failed | CheckResult::Inconclusive => Self::Failed,
        }
    }
}

impl TestResult {
    /// The test result of a piece of evidence. The check itself stands among the tests under its
    /// own name, followed by what it found.
    ///
    /// # Errors
    /// As [`canonical::digest`](crate::canonical::digest).
    pub fn of(evidence: &Evidence) -> Result<Self> {
        let mut configuration = vec![Resource {
            name: evidence.name.clone(),
            digest: evidence.digest()?.into(),
            ..Resource::default()
        }];
        configuration.extend(evidence.artifacts.iter().map(|digest| {
            Resource::new(
                format!("{}.report", evidence.name),
                format!("artifact:{digest}"),
                *digest,
            )
        }));
        let findings = evidence.findings.iter().map(|finding| finding.name.clone());
        let tests: Vec<_> = [evidence.name.clone()].into_iter().chain(findings).collect();
        let result = TestOutcome::from(evidence.result);
        let under = |outcome| if result == outcome { tests.clone() } else { Vec::new() };
        Ok(Self {
            result,
            configuration,
            url: String::new(),
            passed_tests: under(TestOutcome::Passed),
            warned_tests: under(TestOutcome::Warned),
            failed_tests: under(TestOutcome::Failed),
        })
    }

    /// The statement that `subjects` were checked with this result.
    ///
    /// # Errors
    /// As [`Statement::new`].
    pub fn statement(&self, subjects: impl IntoIterator<Item = Subject>) -> Result<Statement> {
        Statement::of(subjects, self)
    }
}
