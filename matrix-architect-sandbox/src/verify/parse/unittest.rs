//! `python -m unittest`, which prints on standard error: a block for each failure, the number of
//! tests run, and one last word.

use std::collections::BTreeSet;

use matrix_architect_core::evidence::TestCounts;

use super::{Report, text::finding_at};

const RULE: &str = "======================================================================";

pub(super) fn parse(stderr: &str) -> Report {
    // Only whole lines: `OK` may be the beginning of `OK (skipped=1)`.
    let end = stderr.rfind('\n').unwrap_or(0);
    let lines: Vec<&str> = stderr[..end].lines().collect();
    let Some((at, ran)) =
        lines.iter().enumerate().rev().find_map(|(at, line)| Some((at, ran(line)?)))
    else {
        return Report::flawed("the output ends before the number of tests run");
    };
    let Some(word) = lines[at..].iter().rev().find_map(|line| last_word(line)) else {
        return Report::flawed("the output ends before the result");
    };
    report(&lines[..at], ran, &word)
}

/// The last line: `OK (skipped=1)`, `FAILED (failures=3, errors=1)` or `NO TESTS RAN`.
#[derive(Debug, Default)]
struct LastWord {
    success: bool,
    failed: u64,
    skipped: u64,
}

fn report(blocks: &[&str], ran: u64, word: &LastWord) -> Report {
    let mut report = Report { success: Some(word.success), ..Report::default() };
    let mut failed_tests = BTreeSet::new();
    for (index, _) in blocks.iter().enumerate().filter(|(_, line)| **line == RULE) {
        let Some((label, title)) = blocks.get(index + 1).and_then(|line| line.split_once(": "))
        else {
            continue;
        };
        if !matches!(label, "FAIL" | "ERROR" | "UNEXPECTED SUCCESS") {
            continue;
        }
        let name = test_name(title);
        if !is_fixture(title) {
            failed_tests.insert(name.to_owned());
        }
        report.findings.push(failure(name, label, &blocks[index + 2..]));
    }
    if report.findings.len() as u64 != word.failed {
        report.flaw("the result contradicts the failures listed");
    }
    let failed = failed_tests.len() as u64;
    match ran.checked_sub(failed).and_then(|rest| rest.checked_sub(word.skipped)) {
        Some(passed) => {
            let failed = word.failed;
            report.tests = Some(TestCounts { passed, failed, skipped: word.skipped });
        }
        None => report.flaw("more tests failed or were skipped than ran"),
    }
    report
}

/// A failure with the innermost place outside the interpreter and the exception's own line.
fn failure(name: &str, label: &str, block: &[&str]) -> matrix_architect_core::evidence::Finding {
    let end = block.iter().position(|line| *line == RULE).unwrap_or(block.len());
    let block = &block[..end];
    let is_own = |file: &str| !file.contains("/lib/python") && !file.starts_with('<');
    let place = block.iter().rev().filter_map(|line| frame(line)).find(|(file, _)| is_own(file));
    let message = block
        .iter()
        .rposition(|line| frame(line).is_some())
        .and_then(|last| {
            block[last + 1..].iter().find(|line| line.starts_with(char::is_alphabetic))
        })
        .copied()
        .unwrap_or(label);
    finding_at(name, message, place.map(|(file, _)| file), place.map(|(_, line)| line))
}

/// `Ran 7 tests in 0.002s`.
fn ran(line: &str) -> Option<u64> {
    let (number, rest) = line.strip_prefix("Ran ")?.split_once(' ')?;
    (rest.starts_with("test in ") || rest.starts_with("tests in ")).then(|| number.parse().ok())?
}

fn last_word(line: &str) -> Option<LastWord> {
    let (word, counts) = line.split_once(" (").unwrap_or((line, ")"));
    let success = match word {
        "OK" => true,
        "FAILED" | "NO TESTS RAN" => false,
        _ => return None,
    };
    let mut last = LastWord { success, ..LastWord::default() };
    for count in counts.strip_suffix(')')?.split(", ").filter(|count| !count.is_empty()) {
        let (what, number) = count.split_once('=')?;
        let number: u64 = number.parse().ok()?;
        match what {
            "failures" | "errors" | "unexpected successes" => {
                last.failed = last.failed.checked_add(number)?;
            }
            "skipped" => last.skipped = number,
            "expected failures" => {}
            _ => return None,
        }
    }
    Some(last)
}

/// `test_adds (tests.test_calc.AddTest.test_adds) (i=1)` is `tests.test_calc.AddTest.test_adds`;
/// before Python 3.11 the method is not repeated in the parentheses.
fn test_name(title: &str) -> &str {
    let inner = title.split_once(" (").and_then(|(_, rest)| rest.split_once(')'));
    inner.map_or(title, |(name, _)| name)
}

/// `setUpClass (tests.Some)`: no test of its own, so not among those that ran.
fn is_fixture(title: &str) -> bool {
    ["setUpClass ", "tearDownClass ", "setUpModule ", "tearDownModule "]
        .iter()
        .any(|fixture| title.starts_with(fixture))
}

/// `  File "x.py", line 12, in test_x`.
fn frame(line: &str) -> Option<(&str, u32)> {
    let (file, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
    let digits = rest.find(|char: char| !char.is_ascii_digit()).unwrap_or(rest.len());
    Some((file, rest[..digits].parse().ok()?))
}
