//! Size, checks, author and target.

use std::fmt::Write as _;

use matrix_architect_core::evidence::{CheckResult, EvidenceKind};

use super::case::{Case, case, evidence, finding};

pub(crate) fn cases() -> Vec<Case> {
    [sizes(), checks(), targets()].concat()
}

fn lines(count: usize) -> String {
    (0..count).fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "line {line}");
        text
    })
}

fn sizes() -> Vec<Case> {
    let files = |label, count: usize, path: fn(usize) -> String| {
        (0..count).fold(case(label), |case, index| case.edit(&path(index), "a\n", "b\n"))
    };
    vec![
        case("many lines").add("a.txt", &lines(250)).expects(&["many_lines"]),
        case("very many lines").add("a.txt", &lines(1200)).expects(&["many_lines"]),
        files("many files", 12, |index| format!("src/f{index}.rs")).expects(&["many_files"]),
        files("very many files", 40, |index| format!("src/f{index}.rs")).expects(&["many_files"]),
        files("many folders", 6, |index| format!("d{index}/a.rs")).expects(&["many_folders"]),
        files("many folders deep", 9, |index| format!("src/d{index}/a.rs"))
            .expects(&["many_folders"]),
        files("everywhere", 30, |index| format!("d{index}/a.rs"))
            .expects(&["many_files", "many_folders"]),
    ]
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn checks() -> Vec<Case> {
    let scan =
        |name, result| evidence(EvidenceKind::SecurityScan, name, result).summary("1 finding");
    let optional = |result| {
        let mut evidence = evidence(EvidenceKind::LintResults, "rust.clippy", result);
        evidence.required = false;
        evidence.summary("3 warnings")
    };
    let coverage = |result, percent: f64| {
        let mut evidence = evidence(EvidenceKind::CoverageReport, "rust.coverage", result);
        evidence.required = false;
        evidence.detail("base_percent", 80.0).detail("percent", percent)
    };
    let mut found = scan("security.secrets", CheckResult::Passed);
    found.findings.push(finding("src/a.rs"));
    let mut known = scan("security.secrets", CheckResult::Passed);
    known.findings.push(finding("src/a.rs"));
    known.findings[0].preexisting = true;
    let mut unscanned = case("no scan although one was asked for").expects(&["check_missing"]);
    unscanned.evidence.retain(|evidence| evidence.name != "security.secrets");
    let mut unchecked = case("nothing was checked").expects(&["check_missing"]);
    unchecked.evidence.clear();
    let mut unasked =
        case("no scan because the request turned it off").expects(&["checks_loosened"]);
    unasked.evidence.retain(|evidence| !evidence.name.starts_with("security"));
    unasked.constraints.security_scan = false;
    vec![
        case("a secret")
            .evidence(scan("security.secrets", CheckResult::Failed))
            .expects(&["secret_found"]),
        case("a secret that passed all the same").evidence(found).expects(&["secret_found"]),
        case("a secret that was there before").evidence(known),
        case("text that deceives")
            .evidence(scan("security.text", CheckResult::Failed))
            .expects(&["deceptive_text"]),
        case("text that may deceive")
            .evidence(scan("security.text", CheckResult::Warned))
            .expects(&["deceptive_text"]),
        case("a scan that could not be done")
            .evidence(scan("security.text", CheckResult::Inconclusive))
            .expects(&["check_missing"]),
        case("warnings of a linter")
            .evidence(optional(CheckResult::Warned))
            .expects(&["check_failed"]),
        case("a linter that failed")
            .evidence(optional(CheckResult::Failed))
            .expects(&["check_failed"]),
        case("a linter that could not run")
            .evidence(optional(CheckResult::Inconclusive))
            .expects(&["check_missing"]),
        case("less coverage")
            .evidence(coverage(CheckResult::Passed, 75.5))
            .expects(&["coverage_drop"]),
        case("too little coverage")
            .evidence(coverage(CheckResult::Warned, 80.0))
            .expects(&["coverage_drop"]),
        case("coverage whose fall nobody can tell")
            .evidence(
                evidence(EvidenceKind::CoverageReport, "unit.coverage", CheckResult::Passed)
                    .detail("percent", 75.0)
                    .detail("base", "no report"),
            )
            .expects(&["check_missing"]),
        case("more coverage").evidence(coverage(CheckResult::Passed, 81.0)),
        unscanned,
        unchecked,
        unasked,
    ]
}

fn targets() -> Vec<Case> {
    vec![
        case("production").deploy("production").expects(&["production"]),
        case("production by another name").deploy("eu-PROD").expects(&["production"]),
        case("a tool's change")
            .edit("src/a.rs", "a\n", "b\n")
            .author("ai")
            .expects(&["authored_by_tool"]),
        case("an author of another kind").author("\u{202e}robot").expects(&["authored_by_tool"]),
        case("all at once")
            .edit(".github/workflows/ci.yml", "a\n", "b\n")
            .edit("src/auth/a.rs", "pub fn a() {}\nx();\n", "x();\n")
            .deploy("production")
            .author("ai")
            .expects(&[
                "touches_ci",
                "touches_auth",
                "breaking_change",
                "production",
                "authored_by_tool",
            ]),
    ]
}
