//! Recorded outputs of the real tools, whole, cut and mangled. Counts are those of the tools' own
//! summaries.

use std::{fs, path::PathBuf};

use matrix_architect_core::{
    evidence::{CheckResult, TestCounts},
    traits::ExitVerdict,
};
use proptest::prelude::*;

use super::{super::judge::judge, *};

/// One recorded run: files `NAME.stdout`, `NAME.stderr` and `NAME.xml`, as far as they exist.
#[derive(Debug, Default)]
struct Recorded {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    file: Option<Vec<u8>>,
}

impl Recorded {
    fn load(name: &str) -> Self {
        let path = |suffix| {
            let corpus = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
            corpus.join(format!("{name}.{suffix}"))
        };
        let recorded = Self {
            stdout: fs::read(path("stdout")).unwrap_or_default(),
            stderr: fs::read(path("stderr")).unwrap_or_default(),
            file: fs::read(path("xml")).or_else(|_| fs::read(path("info"))).ok(),
        };
        let empty = recorded.stdout.is_empty() && recorded.stderr.is_empty();
        assert!(!empty || recorded.file.is_some() || name.ends_with("-clean"), "{name} is missing");
        recorded
    }

    fn input(&self) -> Input<'_> {
        Input { stdout: &self.stdout, stderr: &self.stderr, file: self.file.as_deref() }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as a report has them")]
fn counts(passed: u64, failed: u64, skipped: u64) -> Option<TestCounts> {
    Some(TestCounts { passed, failed, skipped })
}

fn result(parser: Parser, code: i32, report: &Report) -> CheckResult {
    judge(parser, ExitVerdict::Exited(code), 0, report).result
}

use CheckResult::{Failed, Inconclusive, Passed};

/// Name, parser, exit code, counts, number of findings, result.
type Row = (&'static str, Parser, i32, Option<TestCounts>, usize, CheckResult);

fn rows() -> Vec<Row> {
    use Parser::{
        CargoBuild, CargoJson, Eslint, FormatDiff, Go, GoTest, Junit, Libtest, Ruff, Rustfmt, Tap,
        Tsc, Unittest,
    };
    vec![
        ("libtest-mixed", Libtest, 101, counts(8, 5, 2), 5, Failed),
        ("libtest-filtered", Libtest, 101, counts(2, 1, 0), 1, Failed),
        ("libtest-passed", Libtest, 0, counts(1, 0, 0), 0, Passed),
        ("libtest-one-thread", Libtest, 101, counts(2, 3, 1), 3, Failed),
        ("libtest-nocapture", Libtest, 101, counts(2, 3, 1), 3, Failed),
        ("libtest-quiet", Libtest, 101, counts(2, 3, 1), 1, Failed),
        ("libtest-uncompiled", Libtest, 101, None, 1, Failed),
        ("libtest-aborted", Libtest, 101, counts(6, 2, 1), 3, Failed),
        ("libtest-none", Libtest, 0, counts(0, 0, 0), 0, Inconclusive),
        ("cargo-json-clean", CargoBuild, 0, None, 0, Passed),
        ("cargo-json-error", CargoBuild, 101, None, 1, Failed),
        ("cargo-json-clippy", CargoJson, 101, None, 5, Failed),
        ("cargo-json-warn", CargoJson, 0, None, 6, Failed),
        ("cargo-json-warn", CargoBuild, 0, None, 0, Passed),
        ("rustfmt-diff", Rustfmt, 1, None, 1, Failed),
        ("rustfmt-broken", Rustfmt, 1, None, 1, Failed),
        ("rustfmt-clean", Rustfmt, 0, None, 0, Passed),
        ("junit-mixed", Junit, 1, counts(3, 9, 4), 9, Failed),
        ("junit-passed", Junit, 0, counts(1, 0, 0), 0, Passed),
        ("junit-none", Junit, 5, counts(0, 0, 0), 0, Inconclusive),
        ("junit-collect", Junit, 2, counts(0, 1, 0), 1, Failed),
        ("unittest-mixed", Unittest, 1, counts(2, 5, 1), 5, Failed),
        ("unittest-import", Unittest, 1, counts(2, 6, 1), 6, Failed),
        ("unittest-plain", Unittest, 1, counts(2, 5, 1), 5, Failed),
        ("unittest-passed", Unittest, 0, counts(1, 0, 1), 0, Passed),
        ("unittest-none", Unittest, 0, counts(0, 0, 0), 0, Inconclusive),
        ("ruff", Ruff, 1, None, 3, Failed),
        ("ruff-clean", Ruff, 0, None, 0, Passed),
        ("ruff-syntax", Ruff, 1, None, 2, Failed),
        ("ruff-format-diff", FormatDiff, 1, None, 1, Failed),
        ("gofmt-diff", FormatDiff, 1, None, 1, Failed),
        ("tap-mixed", Tap, 1, counts(4, 2, 2), 2, Failed),
        ("tap-passed", Tap, 0, counts(1, 0, 1), 0, Passed),
        ("go-test-mixed", GoTest, 2, counts(3, 4, 1), 6, Failed),
        ("go-test-passed", GoTest, 0, counts(1, 0, 1), 0, Passed),
        ("go-test-none", GoTest, 1, counts(0, 0, 0), 0, Inconclusive),
        ("go-build-error", Go, 2, None, 1, Failed),
        ("go-vet", Go, 2, None, 1, Failed),
        ("eslint", Eslint, 1, None, 3, Failed),
        ("tsc-errors", Tsc, 2, None, 2, Failed),
    ]
}

#[test]
fn recorded_reports_are_read_as_their_tools_summed_them_up() {
    for (name, parser, code, tests, findings, expected) in rows() {
        let report = parser.parse(Recorded::load(name).input());
        assert_eq!(report.tests, tests, "{name}: {report:#?}");
        assert_eq!(report.findings.len(), findings, "{name}: {report:#?}");
        assert_eq!(result(parser, code, &report), expected, "{name}: {report:#?}");
    }
}

#[test]
fn an_exit_code_that_contradicts_the_report_is_never_passed() {
    for (name, parser, code, ..) in rows() {
        let report = parser.parse(Recorded::load(name).input());
        let other = i32::from(code == 0);
        let judged = result(parser, other, &report);
        assert!(matches!(judged, Inconclusive | Failed), "{name}: {judged:?} {report:#?}");
    }
}

#[test]
fn output_that_was_dropped_is_never_passed() {
    for (name, parser, code, ..) in rows() {
        let report = parser.parse(Recorded::load(name).input());
        let judged = judge(parser, ExitVerdict::Exited(code), 1, &report).result;
        assert!(matches!(judged, Inconclusive | Failed), "{name}");
    }
}

#[test]
fn a_report_cut_anywhere_is_never_passed() {
    for (name, parser, ..) in rows() {
        let whole = Recorded::load(name);
        // These say nothing when all is well; their exit code and the cap on output stand for them.
        if silent(parser) {
            continue;
        }
        let stderr = parser == Parser::Unittest;
        let document =
            whole.file.as_ref().unwrap_or(if stderr { &whole.stderr } else { &whole.stdout });
        let text = String::from_utf8_lossy(document);
        let end = text.trim_end().len();
        // What comes after the last word of libtest, unittest and Node says nothing.
        let end = text[..end]
            .rfind("test result:")
            .filter(|_| parser == Parser::Libtest)
            .map_or(end, |at| at + 20);
        let time = text.rfind("\n# duration_ms").filter(|_| parser == Parser::Tap);
        let end = time.unwrap_or(end);
        let end = end.min(document.len());
        // Every byte of the end, which says how it went, and every forty-first before it.
        for cut in (0..end).filter(|cut| cut % 41 == 0 || end - cut < 200) {
            let part = document[..cut].to_vec();
            let cut_run = match (&whole.file, stderr) {
                (Some(_), _) => Recorded { file: Some(part), ..Recorded::default() },
                (None, true) => Recorded { stderr: part, ..Recorded::default() },
                (None, false) => {
                    Recorded { stdout: part, stderr: whole.stderr.clone(), file: None }
                }
            };
            let judged = result(parser, 0, &parser.parse(cut_run.input()));
            assert!(matches!(judged, Inconclusive | Failed), "{name} cut at {cut}: {judged:?}");
        }
    }
}

#[test]
fn nothing_at_all_is_never_passed() {
    for parser in ALL.into_iter().filter(|parser| !silent(*parser)) {
        let report = parser.parse(Input { file: Some(b""), ..Input::default() });
        assert_eq!(result(parser, 0, &report), Inconclusive, "{parser:?}");
    }
}

const ALL: [Parser; 16] = [
    Parser::ExitCode,
    Parser::Libtest,
    Parser::CargoJson,
    Parser::CargoBuild,
    Parser::Rustfmt,
    Parser::Junit,
    Parser::Unittest,
    Parser::Ruff,
    Parser::FormatDiff,
    Parser::Tap,
    Parser::GoTest,
    Parser::Go,
    Parser::Eslint,
    Parser::Tsc,
    Parser::Lcov,
    Parser::Cobertura,
];

fn silent(parser: Parser) -> bool {
    use Parser::{ExitCode, FormatDiff, Go, Rustfmt, Tsc};
    matches!(parser, ExitCode | Rustfmt | FormatDiff | Go | Tsc)
}

#[test]
fn failures_of_node_and_go_have_names_messages_and_places() {
    let found = |parser: Parser, name| {
        let findings = parser.parse(Recorded::load(name).input()).findings;
        let line = |finding: &Finding| {
            let place = finding.file.as_deref().unwrap_or("-");
            let line = finding.line.unwrap_or(0);
            format!("{place}:{line} {}: {}", finding.name, finding.message)
        };
        findings.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(
        found(Parser::Tap, "tap-mixed"),
        [
            "/workspace/test/a.test.js:3 fails # hard: 1 == 2",
            "/workspace/test/a.test.js:4 inner bad: boom",
        ]
    );
    assert_eq!(
        found(Parser::GoTest, "go-test-mixed"),
        [
            "a_test.go:7 example.test/gt.TestBad: want 1, got 2",
            "a_test.go:12 example.test/gt.TestParent/two: no two",
            "-:0 example.test/gt.TestParent: failed",
            "-:0 example.test/gt/sub.TestPanics: panic: assignment to entry in nil map [recovered]",
            "broken/b.go:3 go: cannot use \"x\" (untyped string constant) as int value in return \
             statement",
            "-:0 example.test/gt/broken: build failed",
        ]
    );
    assert_eq!(
        found(Parser::Go, "go-vet"),
        ["vet/v.go:5 go: fmt.Printf format %d has arg \"x\" of wrong type string"]
    );
    assert_eq!(
        found(Parser::FormatDiff, "gofmt-diff"),
        ["bad.go:2 format: not formatted: func  X( )  {}"]
    );
    assert_eq!(
        found(Parser::Eslint, "eslint")[..2],
        [
            "/workspace/b.js:2 no-undef: 'foo' is not defined.",
            "/workspace/b.js:2 eqeqeq: Expected '===' and instead saw '=='.",
        ]
    );
    assert_eq!(
        found(Parser::Tsc, "tsc-errors")[1],
        "a.ts:2 TS2322: Type 'string' is not assignable to type 'number'."
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn failures_have_names_messages_and_places() {
    let report = Parser::Libtest.parse(Recorded::load("libtest-mixed").input());
    let found: Vec<_> = report
        .findings
        .iter()
        .map(|f| (f.name.as_str(), f.message.as_str(), f.file.as_deref(), f.line))
        .collect();
    assert_eq!(
        found,
        [
            (
                "tests::adds_wrongly",
                "assertion `left == right` failed: sums differ",
                Some("calc/src/lib.rs"),
                Some(53)
            ),
            (
                "tests::does_not_panic",
                "did not panic as expected",
                Some("calc/src/lib.rs"),
                Some(68)
            ),
            ("tests::returns_an_error", "Error: \"no luck\"", None, None),
            (
                "nested::deep",
                "assertion failed: v.first().is_some()",
                Some("calc/tests/outside.rs"),
                Some(10)
            ),
            (
                "calc/src/lib.rs - half",
                "assertion `left == right` failed",
                Some("calc/src/lib.rs"),
                Some(14)
            ),
        ]
    );
    let one = |parser: Parser, name, at: usize| {
        let finding = parser.parse(Recorded::load(name).input()).findings[at].clone();
        (finding.name, finding.message, finding.file, finding.line)
    };
    let some = |name: &str, message: &str, file: &str, line| {
        (name.to_owned(), message.to_owned(), Some(file.to_owned()), Some(line))
    };
    assert_eq!(
        one(Parser::Libtest, "libtest-uncompiled", 0),
        some("E0277", "cannot add `&str` to `u64`", "calc/src/lib.rs", 9)
    );
    assert_eq!(
        one(Parser::Junit, "junit-mixed", 0),
        some(
            "tests.test_calc.AddTest::test_adds_wrongly",
            "AssertionError: 3 != 4",
            "tests/test_calc.py",
            12
        )
    );
    assert_eq!(
        one(Parser::Unittest, "unittest-mixed", 1),
        some(
            "tests.test_calc.AddTest.test_adds_wrongly",
            "AssertionError: 3 != 4",
            "/tmp/vfy/rec/py/tests/test_calc.py",
            12
        )
    );
    assert_eq!(
        one(Parser::FormatDiff, "ruff-format-diff", 0),
        some("format", "not formatted: return a+b", "calc.py", 2)
    );
    assert_eq!(
        one(Parser::Rustfmt, "rustfmt-diff", 0),
        some(
            "rustfmt",
            "not formatted: pub fn   lints(v: &Vec<u32>)->bool {",
            "/tmp/vfy/rec/ws/calc/src/lib.rs",
            76
        )
    );
}

#[test]
fn a_test_cannot_talk_its_binary_into_a_better_result() {
    let lie = "running 1 test\ntest a ... FAILED\n\nfailures:\n\n---- a stdout ----\n\
        test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
        running 5 tests\n\nfailures:\n    a\n\n";
    let report = Parser::Libtest.parse(Input { stdout: lie.as_bytes(), ..Input::default() });
    assert_ne!(result(Parser::Libtest, 0, &report), Passed);
    let end = "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n";
    let whole = format!("{lie}{end}");
    let report = Parser::Libtest.parse(Input { stdout: whole.as_bytes(), ..Input::default() });
    assert_eq!((report.tests, report.flaw), (counts(0, 1, 0), None));
}

#[test]
fn fewer_binaries_than_cargo_started_is_a_flaw() {
    let whole = Recorded::load("libtest-mixed");
    let all = String::from_utf8(whole.stdout).unwrap();
    let first = all.find("running 1 test").unwrap();
    let input = Input { stdout: &all.as_bytes()[..first], stderr: &whole.stderr, file: None };
    assert!(Parser::Libtest.parse(input).flaw.is_some());
}

#[test]
fn xml_that_could_do_harm_is_refused() {
    let entity = r#"<!DOCTYPE x [<!ENTITY a "aaaa">]><testsuites><testsuite/></testsuites>"#;
    let unknown = r#"<testsuite><testcase name="a"><failure>&a;</failure></testcase></testsuite>"#;
    let deep = format!("<testsuite>{}", "<properties>".repeat(100_000));
    let twice = "<testsuite/><testsuite/>";
    for hostile in [entity, unknown, &deep, twice, "<html></html>", "<testsuite>"] {
        let input = Input { stdout: hostile.as_bytes(), ..Input::default() };
        assert!(Parser::Junit.parse(input).flaw.is_some(), "{}", &hostile[..20.min(hostile.len())]);
    }
}

#[test]
fn a_suite_that_miscounts_itself_is_a_flaw() {
    let text = r#"<testsuite failures="0"><testcase name="a"><failure/></testcase></testsuite>"#;
    let input = Input { stdout: text.as_bytes(), ..Input::default() };
    assert!(Parser::Junit.parse(input).flaw.is_some());
}

#[test]
fn coverage_is_read_from_whole_reports_only() {
    let lcov = b"SF:src/lib.rs\nDA:1,1\nLF:8\nLH:6\nend_of_record\n";
    let report = Parser::Lcov.parse(Input { stdout: lcov, ..Input::default() });
    assert_eq!(report.coverage, Some(75.0));
    let cut = Parser::Lcov.parse(Input { stdout: &lcov[..30], ..Input::default() });
    assert!(cut.coverage.is_none() && cut.flaw.is_some());
    let xml = br#"<?xml version="1.0"?><coverage line-rate="0.5"><packages/></coverage>"#;
    let report = Parser::Cobertura.parse(Input { stdout: xml, ..Input::default() });
    assert_eq!(report.coverage, Some(50.0));
}

#[test]
fn colours_are_no_part_of_a_report() {
    assert_eq!(text::plain(b"\x1b[31m-a\x1b[0m\x1b(B\r\n"), "-a\n");
}

proptest! {
    #[test]
    fn no_parser_panics_or_passes_noise(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        for parser in ALL.into_iter().filter(|parser| !silent(*parser)) {
            let input = Input { stdout: &bytes, stderr: &bytes, file: None };
            let judged = result(parser, 0, &parser.parse(input));
            // `[]` is ruff's own word for a clean tree.
            prop_assert!(parser == Parser::Ruff || matches!(judged, Inconclusive | Failed));
        }
    }

    #[test]
    fn a_changed_byte_never_panics_a_parser(row in 0..30_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (name, parser, ..) = rows()[row];
        let mut recorded = Recorded::load(name);
        let bytes = recorded.file.as_mut().unwrap_or(if recorded.stdout.is_empty() { &mut recorded.stderr } else { &mut recorded.stdout });
        if !bytes.is_empty() {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let report = parser.parse(recorded.input());
        prop_assert!(report.findings.iter().all(|finding| finding.message.chars().count() <= 501));
    }

    #[test]
    fn a_libtest_report_says_what_it_was_made_of(outcomes in prop::collection::vec(0..3_u8, 1..40)) {
        let mut text = format!("running {} tests\n", outcomes.len());
        let words = ["ok", "FAILED", "ignored"];
        for (index, outcome) in outcomes.iter().enumerate() {
            text = format!("{text}test t{index} ... {}\n", words[usize::from(*outcome)]);
        }
        let count = |kind| outcomes.iter().map(|outcome| u64::from(*outcome == kind)).sum();
        let [ok, failed, ignored]: [u64; 3] = [0, 1, 2].map(count);
        let word = if failed == 0 { "ok" } else { "FAILED" };
        text = format!(
            "{text}\ntest result: {word}. {ok} passed; {failed} failed; {ignored} ignored; \
             0 measured; 0 filtered out; finished in 0.01s\n"
        );
        let report = Parser::Libtest.parse(Input { stdout: text.as_bytes(), ..Input::default() });
        prop_assert_eq!(report.tests, counts(ok, failed, ignored));
        prop_assert_eq!(report.findings.len() as u64, failed);
        prop_assert_eq!(report.flaw, None);
    }
}
