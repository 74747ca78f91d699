//! What was checked, how it came out, and what proves it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{canonical, error::Result, id::Digest, time::Timestamp};

/// What kind of check it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EvidenceKind {
    /// A test suite.
    TestResults,
    /// A build.
    BuildLogs,
    /// A linter or formatter.
    LintResults,
    /// A scan for vulnerabilities or secrets.
    SecurityScan,
    /// How much of the code the tests reach.
    CoverageReport,
    /// Known vulnerabilities in dependencies.
    DependencyAudit,
    /// The bill of materials.
    Sbom,
    /// A command of the plan or the requester.
    CommandCheck,
    /// What a deployment's health check saw.
    DeploymentHealth,
}

/// How a check came out. A check that could not look something up is never `passed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckResult {
    /// It ran and found nothing wrong.
    Passed,
    /// It ran and found something that does not stop the change.
    Warned,
    /// It ran and the change is at fault.
    Failed,
    /// It could not be decided: a tool was missing, a report was cut, no test was found.
    Inconclusive,
}

/// One finding of a check, such as a failed test or a lint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The test's or the rule's name.
    pub name: String,
    /// What is wrong, shortened.
    pub message: String,
    /// The file, relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Whether the same finding stands on the base, before the change.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preexisting: bool,
}

/// Counts of a test suite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestCounts {
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed or crashed.
    pub failed: u64,
    /// Tests that were skipped or ignored.
    pub skipped: u64,
}

impl TestCounts {
    /// All tests together.
    pub const fn total(&self) -> u64 {
        self.passed + self.failed + self.skipped
    }
}

/// The outcome of one check, as it is stored and signed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What kind of check.
    pub kind: EvidenceKind,
    /// The check's name, unique within the job, such as `rust.test`.
    pub name: String,
    /// Whether nothing stops the change: `result` is passed or warned.
    pub passed: bool,
    /// How it came out.
    pub result: CheckResult,
    /// Whether the pipeline stops when it did not pass.
    #[serde(default = "yes")]
    pub required: bool,
    /// One line for people, such as `57 passed, 1 failed`.
    pub summary: String,
    /// Counts of a test suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tests: Option<TestCounts>,
    /// What was found, capped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Anything else: the command, versions, the sandbox's verdict, usage and enforcement.
    #[serde(default)]
    pub details: BTreeMap<String, Value>,
    /// Digests of raw reports and logs.
    #[serde(default)]
    pub artifacts: Vec<Digest>,
    /// When the check ended.
    pub timestamp: Timestamp,
}

const fn yes() -> bool {
    true
}

impl Evidence {
    /// Evidence of a check that came out as `result`.
    pub fn new(
        kind: EvidenceKind,
        name: impl Into<String>,
        result: CheckResult,
        at: Timestamp,
    ) -> Self {
        Self {
            kind,
            name: name.into(),
            passed: matches!(result, CheckResult::Passed | CheckResult::Warned),
            result,
            required: true,
            summary: String::new(),
            tests: None,
            findings: Vec::new(),
            details: BTreeMap::new(),
            artifacts: Vec::new(),
            timestamp: at,
        }
    }

    /// Sets the one line for people.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = summary.into();
        self
    }

    /// Adds a detail.
    #[must_use]
    pub fn detail(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.details.insert(key.into(), value.into());
        self
    }

    /// The digest of the canonical JSON.
    ///
    /// # Errors
    /// As [`canonical::digest`].
    pub fn digest(&self) -> Result<Digest> {
        canonical::digest(self)
    }
}

/// The digest of a set of evidence, independent of its order: what an approval binds to.
///
/// # Errors
/// As [`canonical::digest`].
pub fn set_digest(evidence: &[Evidence]) -> Result<Digest> {
    let mut digests = evidence.iter().map(Evidence::digest).collect::<Result<Vec<_>>>()?;
    digests.sort_unstable();
    canonical::digest(&digests)
}
