//! From an exit and a report to a result. Both must agree, and what cannot be decided is never
//! passed.

use matrix_architect_core::{
    evidence::{CheckResult, Finding, TestCounts},
    traits::ExitVerdict,
};

use super::parse::{Parser, Report};

/// How a check came out, with one line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// The result.
    pub result: CheckResult,
    /// Why, such as `57 passed, 1 failed`.
    pub summary: String,
}

impl Judgement {
    fn new(result: CheckResult, summary: impl Into<String>) -> Self {
        Self { result, summary: summary.into() }
    }

    fn undecided(summary: impl Into<String>) -> Self {
        Self::new(CheckResult::Inconclusive, summary)
    }
}

/// Judges a command by how it ended and what its report says.
///
/// `dropped` is how many bytes of its output were lost to the cap: a report read from output that
/// is not whole proves nothing good.
pub fn judge(parser: Parser, verdict: ExitVerdict, dropped: u64, report: &Report) -> Judgement {
    let code = match verdict {
        ExitVerdict::Exited(code) => code,
        ExitVerdict::Signalled(signal) => {
            return Judgement::new(CheckResult::Failed, format!("killed by signal {signal}"));
        }
        other => return Judgement::undecided(stopped(other)),
    };
    if parser == Parser::ExitCode {
        return by_code(code);
    }
    let found = summary(report);
    if code != 0 && !report.findings.is_empty() && report.success != Some(true) {
        let note = report.flaw.as_ref().map_or(String::new(), |flaw| format!(" ({flaw})"));
        return Judgement::new(CheckResult::Failed, format!("{found}{note}"));
    }
    if let Some(flaw) = &report.flaw {
        return Judgement::undecided(format!("{flaw}; exit code {code}"));
    }
    if dropped > 0 {
        return Judgement::undecided(format!("{dropped} bytes of the output were dropped"));
    }
    if report.tests.is_some_and(|tests| tests.passed + tests.failed == 0) {
        return Judgement::undecided(format!("no test ran: {found}"));
    }
    if report.success.is_some_and(|success| success != (code == 0)) {
        return Judgement::undecided(format!("exit code {code} contradicts the report: {found}"));
    }
    match (report.findings.is_empty(), code) {
        (true, 0) => Judgement::new(CheckResult::Passed, found),
        (true, _) => Judgement::undecided(format!("exit code {code} without a finding")),
        (false, _) => Judgement::new(CheckResult::Failed, found),
    }
}

fn by_code(code: i32) -> Judgement {
    match code {
        0 => Judgement::new(CheckResult::Passed, "exit code 0"),
        // POSIX: what the shell answers for a command it cannot find or cannot run.
        126 | 127 => Judgement::undecided(format!(
            "exit code {code}: the command was not found or could not be run in the sandbox"
        )),
        code => Judgement::new(CheckResult::Failed, format!("exit code {code}")),
    }
}

fn stopped(verdict: ExitVerdict) -> &'static str {
    match verdict {
        ExitVerdict::OutOfMemory => "stopped: out of memory",
        ExitVerdict::TimedOut => "stopped: out of time",
        ExitVerdict::CpuExceeded => "stopped: out of CPU time",
        ExitVerdict::ProcessesExceeded => "stopped: too many processes",
        ExitVerdict::DiskExceeded => "stopped: too much disk space",
        _ => "stopped",
    }
}

/// Counts for people: `57 passed, 1 failed, 2 skipped`, `3 findings` or `83.2 % of lines`.
pub(super) fn summary(report: &Report) -> String {
    let findings = report.findings.len();
    match (&report.tests, report.coverage) {
        (Some(tests), _) => counts(tests),
        (None, Some(percent)) => format!("{percent:.1} % of lines reached"),
        (None, None) if findings == 0 && report.warnings > 0 => {
            format!("{} warnings", report.warnings)
        }
        (None, None) if findings == 0 => "nothing found".to_owned(),
        (None, None) if findings == 1 => "1 finding".to_owned(),
        (None, None) => format!("{findings} findings"),
    }
}

fn counts(tests: &TestCounts) -> String {
    let mut text = format!("{} passed", tests.passed);
    for (count, word) in [(tests.failed, "failed"), (tests.skipped, "skipped")] {
        if count > 0 {
            text = format!("{text}, {count} {word}");
        }
    }
    text
}

/// Marks what stands on the base too and returns how many findings are new.
///
/// Lines do not count, since every edit moves them. A test is known by name and file; a lint by
/// its message as well. One finding on the base excuses one finding after the change, not two.
pub fn mark_preexisting(parser: Parser, findings: &mut [Finding], base: &[Finding]) -> usize {
    let mut before = std::collections::BTreeMap::<Key, usize>::new();
    for finding in base {
        *before.entry(key(parser, finding)).or_default() += 1;
    }
    let mut new = 0;
    for finding in findings {
        match before.get_mut(&key(parser, finding)) {
            Some(left) if *left > 0 => {
                *left -= 1;
                finding.preexisting = true;
            }
            _ => new += 1,
        }
    }
    new
}

type Key = (String, Option<String>, Option<String>);

fn key(parser: Parser, finding: &Finding) -> Key {
    let message = (!parser.reads_tests()).then(|| finding.message.clone());
    (finding.name.clone(), finding.file.clone(), message)
}

/// The judgement once the base is known: what was there before does not stop the change, as long
/// as the report is whole and the tests really ran.
pub(super) fn reconsider(
    parser: Parser,
    judgement: Judgement,
    report: &mut Report,
    base: &[Finding],
) -> Judgement {
    let new = mark_preexisting(parser, &mut report.findings, base);
    let old = report.findings.len() - new;
    if old == 0 || judgement.result != CheckResult::Failed {
        return judgement;
    }
    let ran = !parser.reads_tests() || report.tests.is_some();
    let found = judgement.summary;
    if new == 0 && ran && report.flaw.is_none() {
        let summary = format!("{found}, all of it already before the change");
        return Judgement::new(CheckResult::Warned, summary);
    }
    Judgement::new(CheckResult::Failed, format!("{found}; {new} new, {old} before the change"))
}
