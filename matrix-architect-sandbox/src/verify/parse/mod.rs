//! What tools print, read into one shape. Every parser is a pure function from bytes to a
//! [`Report`]: it never panics and never takes a cut, empty or malformed report for a clean one.

mod cargo_json;
mod coverage;
mod eslint;
mod format_diff;
mod go_test;
mod go_text;
mod junit;
mod libtest;
mod ruff;
mod rustc_text;
mod tap;
#[cfg(test)]
mod tests;
mod text;
mod tsc;
mod unittest;

use matrix_architect_core::evidence::{Finding, TestCounts};
use serde::{Deserialize, Serialize};

/// How a check's report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Parser {
    /// No report; the exit code alone decides.
    #[default]
    ExitCode,
    /// What `cargo test` prints: the text of libtest on standard output, Cargo's on standard error.
    Libtest,
    /// Cargo's JSON messages, one a line; errors and warnings are findings.
    CargoJson,
    /// Cargo's JSON messages, one a line; only errors are findings.
    CargoBuild,
    /// What `cargo fmt --check` prints.
    Rustfmt,
    /// JUnit XML, as pytest, jest, Gradle and many more write it.
    Junit,
    /// What `python -m unittest` prints on standard error.
    Unittest,
    /// What `ruff check --output-format=json` prints.
    Ruff,
    /// The Test Anything Protocol, as `node --test` writes it.
    Tap,
    /// What `go test -json` prints.
    GoTest,
    /// What the Go compiler and `go vet` print.
    Go,
    /// What `eslint --format json` prints; errors are findings.
    Eslint,
    /// What `tsc --pretty false` prints.
    Tsc,
    /// A unified diff of what a formatter would change, such as `ruff format --diff` prints.
    FormatDiff,
    /// LCOV tracefiles; the percentage of lines reached.
    Lcov,
    /// Cobertura XML; the percentage of lines reached.
    Cobertura,
}

/// What a command left for its parser.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// Its standard output.
    pub stdout: &'a [u8],
    /// Its standard error.
    pub stderr: &'a [u8],
    /// The report file, for formats that are written to one; standard output stands in for it.
    pub file: Option<&'a [u8]>,
}

impl<'a> Input<'a> {
    /// The report file, or standard output if there is none.
    fn document(&self) -> &'a [u8] {
        self.file.unwrap_or(self.stdout)
    }
}

/// What a report says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Whether the tool, by its own report, succeeded; `None` if the format does not say.
    pub success: Option<bool>,
    /// Counts, if it is a test suite's.
    pub tests: Option<TestCounts>,
    /// What is wrong: failed tests, lints, errors.
    pub findings: Vec<Finding>,
    /// How many warnings it has that are no findings.
    pub warnings: u64,
    /// Percent of lines reached, if it is a coverage report.
    pub coverage: Option<f64>,
    /// Why the report cannot be relied on: it is cut, malformed, empty or contradicts itself.
    pub flaw: Option<String>,
}

impl Report {
    /// A report that cannot be relied on at all.
    pub(crate) fn flawed(why: impl Into<String>) -> Self {
        Self { flaw: Some(why.into()), ..Self::default() }
    }

    /// Notes a flaw; the first one stays.
    pub(crate) fn flaw(&mut self, why: impl Into<String>) {
        self.flaw.get_or_insert_with(|| why.into());
    }
}

impl Parser {
    /// Reads what a command left.
    ///
    /// ```
    /// use matrix_architect_sandbox::verify::parse::{Input, Parser};
    ///
    /// let text = b"running 1 test\ntest adds ... ok\n\n\
    ///     test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n";
    /// let report = Parser::Libtest.parse(Input { stdout: text, ..Input::default() });
    /// assert_eq!(report.tests.map(|tests| tests.passed), Some(1));
    ///
    /// let cut = Parser::Libtest.parse(Input { stdout: &text[..30], ..Input::default() });
    /// assert!(cut.flaw.is_some());
    /// ```
    pub fn parse(self, input: Input<'_>) -> Report {
        match self {
            Self::ExitCode => Report::default(),
            Self::Libtest => libtest::parse(&text::plain(input.stdout), &text::plain(input.stderr)),
            Self::CargoJson => cargo_json::parse(input.document(), cargo_json::Severity::Warning),
            Self::CargoBuild => cargo_json::parse(input.document(), cargo_json::Severity::Error),
            Self::Rustfmt => {
                format_diff::rustfmt(&text::plain(input.stdout), &text::plain(input.stderr))
            }
            Self::Junit => junit::parse(input.document()),
            Self::Unittest => unittest::parse(&text::plain(input.stderr)),
            Self::Ruff => ruff::parse(input.document()),
            Self::Tap => tap::parse(input.document()),
            Self::GoTest => go_test::parse(input.document(), &text::plain(input.stderr)),
            Self::Go => go_text::parse(&text::plain(input.stderr)),
            Self::Eslint => eslint::parse(input.document()),
            Self::Tsc => tsc::parse(&text::plain(input.stdout)),
            Self::FormatDiff => {
                format_diff::unified(&text::plain(input.stdout), &text::plain(input.stderr))
            }
            Self::Lcov => coverage::lcov(input.document()),
            Self::Cobertura => coverage::cobertura(input.document()),
        }
    }

    /// Whether it reads the outcome of tests.
    pub const fn reads_tests(self) -> bool {
        matches!(self, Self::Libtest | Self::Junit | Self::Unittest | Self::Tap | Self::GoTest)
    }

    /// Whether its findings have names by which those of two runs can be told apart.
    pub const fn names_findings(self) -> bool {
        !matches!(self, Self::ExitCode | Self::Lcov | Self::Cobertura)
    }
}
