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

    pub(super) fn undecided(summary: impl Into<String>) -> Self {
        Self::new(CheckResult::Inconclusive, summary)
    }

    /// The judgement of a check during which something it needs went away: what passed then is
    /// not known to pass, what failed is not excused.
    pub(super) fn without(self, lost: &str) -> Self {
        let summary = format!("{}; {lost} meanwhile", self.summary);
        match self.result {
            CheckResult::Failed => Self { summary, ..self },
            _ => Self::undecided(summary),
        }
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
/// as the report is whole and some tests passed, so that it was not the suite itself that broke.
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
    let ran = !parser.reads_tests() || report.tests.is_some_and(|tests| tests.passed > 0);
    let found = judgement.summary;
    if new == 0 && ran && report.flaw.is_none() {
        let summary = format!("{found}, all of it already before the change");
        return Judgement::new(CheckResult::Warned, summary);
    }
    Judgement::new(CheckResult::Failed, format!("{found}; {new} new, {old} before the change"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(name: &str, file: &str, line: u32, message: &str) -> Finding {
        Finding {
            name: name.to_owned(),
            message: message.to_owned(),
            file: Some(file.to_owned()),
            line: Some(line),
            preexisting: false,
        }
    }

    fn failing(findings: Vec<Finding>, passed: u64) -> Report {
        let failed = findings.len() as u64;
        let tests = Some(TestCounts { passed, failed, skipped: 0 });
        Report { success: Some(false), tests, findings, ..Report::default() }
    }

    fn considered(mut report: Report, base: &[Finding]) -> (CheckResult, Vec<bool>) {
        let first = judge(Parser::Junit, ExitVerdict::Exited(1), 0, &report);
        let judged = reconsider(Parser::Junit, first, &mut report, base);
        (judged.result, report.findings.iter().map(|finding| finding.preexisting).collect())
    }

    #[test]
    fn a_moved_old_failure_is_old_and_a_second_of_its_kind_is_new() {
        let old = found("a", "a.py", 10, "1 != 2");
        let moved = found("a", "a.py", 90, "1 != 3");
        let one = considered(failing(vec![moved.clone()], 5), std::slice::from_ref(&old));
        assert_eq!(one, (CheckResult::Warned, vec![true]));
        let two = considered(failing(vec![moved.clone(), moved.clone()], 5), &[old]);
        assert_eq!(two, (CheckResult::Failed, vec![true, false]));
        let elsewhere = considered(failing(vec![moved], 5), &[found("a", "b.py", 10, "1 != 2")]);
        assert_eq!(elsewhere, (CheckResult::Failed, vec![false]));
    }

    #[test]
    fn a_lint_is_known_by_its_message_too() {
        let lint = |message| found("F401", "a.py", 1, message);
        let mut findings = vec![lint("`os` unused"), lint("`sys` unused")];
        let new = mark_preexisting(Parser::Ruff, &mut findings, &[lint("`os` unused")]);
        assert_eq!((new, findings[0].preexisting, findings[1].preexisting), (1, true, false));
    }

    #[test]
    fn a_suite_in_which_nothing_passed_is_not_excused_by_the_base() {
        let old = found("tests.test_a", "a.py", 1, "No module named pytest");
        let judged = considered(failing(vec![old.clone()], 0), &[old]);
        assert_eq!(judged, (CheckResult::Failed, vec![true]));
    }

    #[test]
    fn a_report_with_a_flaw_is_not_excused_by_the_base() {
        let old = found("a", "a.py", 1, "crashed");
        let mut report = failing(vec![old.clone()], 5);
        report.flaw = Some("a test binary ended before its result".to_owned());
        assert_eq!(considered(report, &[old]).0, CheckResult::Failed);
    }

    #[test]
    fn only_an_end_by_itself_is_judged_by_its_report() {
        let clean = Report { success: Some(true), ..Report::default() };
        let result = |verdict| judge(Parser::Ruff, verdict, 0, &clean).result;
        assert_eq!(result(ExitVerdict::Exited(0)), CheckResult::Passed);
        assert_eq!(result(ExitVerdict::Signalled(9)), CheckResult::Failed);
        for verdict in [
            ExitVerdict::OutOfMemory,
            ExitVerdict::TimedOut,
            ExitVerdict::CpuExceeded,
            ExitVerdict::ProcessesExceeded,
            ExitVerdict::DiskExceeded,
        ] {
            assert_eq!(result(verdict), CheckResult::Inconclusive, "{verdict:?}");
        }
    }

    #[test]
    fn a_command_that_is_not_there_is_inconclusive() {
        let judged =
            |code| judge(Parser::ExitCode, ExitVerdict::Exited(code), 0, &Report::default()).result;
        assert_eq!(
            [0, 1, 126, 127].map(judged),
            [
                CheckResult::Passed,
                CheckResult::Failed,
                CheckResult::Inconclusive,
                CheckResult::Inconclusive,
            ]
        );
    }

    proptest! {
        #[test]
        fn nothing_but_a_whole_clean_agreeing_report_passes(
            code in -1..3_i32,
            dropped in 0..2_u64,
            success in any::<Option<bool>>(),
            passed in 0..2_u64,
            failed in 0..2_u64,
            findings in 0..2_usize,
            flawed in any::<bool>(),
        ) {
            let report = Report {
                success,
                tests: Some(TestCounts { passed, failed, skipped: 0 }),
                findings: vec![found("a", "a.py", 1, "wrong"); findings],
                flaw: flawed.then(|| "cut".to_owned()),
                ..Report::default()
            };
            let judged = judge(Parser::Junit, ExitVerdict::Exited(code), dropped, &report).result;
            let clean = code == 0
                && dropped == 0
                && success != Some(false)
                && passed + failed > 0
                && findings == 0
                && !flawed;
            prop_assert_eq!(judged == CheckResult::Passed, clean);
        }
    }
}
