//! The suite verifier against the contract of every verifier, and what it promises beyond it.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod judging;
#[path = "judging/skip.rs"]
mod skip;

use std::{collections::BTreeMap, fmt::Write as _, fs, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use judging::{Outcome, Wish, native};
use matrix_architect_core::{
    conformance::{
        Harness, Serves,
        verifier::{Judges, Project},
    },
    error::Result,
    evidence::CheckResult,
    fake::CountingIds,
    id::Digest,
    job::JobConstraints,
    patch::{ChangeKind, FileChange, Patch},
    path::RelPath,
    plan::Plan,
    policy::{Decision, PolicyInput, RulePolicy, Rules, Verdict},
    time::Timestamp,
    traits::{Policy as _, Sandbox, Tree, Verifier},
};
use matrix_architect_sandbox::{
    native::{NativeConfig, NativeSandbox},
    verify::{SuiteVerifier, VerifyConfig},
    workspace::DirTree,
};
use tempfile::TempDir;

/// A project whose suite prints a libtest report that stands in the tree.
const RULES: &str = r#"
[verify]
suites = []

[[verify.check]]
name = "suite"
command = ["sh", "suite.sh"]
parser = "libtest"
"#;

#[derive(Debug)]
struct Suites {
    verifier: Arc<SuiteVerifier>,
}

impl Suites {
    /// Says aloud why there is no sandbox to judge in, if there is none.
    fn here() -> Option<Self> {
        match NativeSandbox::new(NativeConfig::default()) {
            Ok(_) => Some(Self::fresh()),
            Err(error) => {
                skip::skip(&format!("there is no native sandbox: {error}"));
                None
            }
        }
    }

    fn fresh() -> Self {
        let config = VerifyConfig::default().allow_degraded(true);
        let verifier = SuiteVerifier::new(config, Arc::new(CountingIds::new())).unwrap();
        Self { verifier: Arc::new(verifier) }
    }
}

#[async_trait]
impl Harness for Suites {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    async fn elapse(&mut self, _duration: Duration) {}

    async fn reopen(&mut self) {}
}

impl Serves<dyn Verifier> for Suites {
    fn backend(&self) -> Arc<dyn Verifier> {
        Arc::clone(&self.verifier) as Arc<dyn Verifier>
    }
}

/// A tree whose directory goes with it.
#[derive(Debug)]
struct Held(DirTree, #[expect(dead_code, reason = "held")] TempDir);

#[async_trait]
impl Tree for Held {
    async fn read(&self, path: &matrix_architect_core::path::RelPath) -> Result<Option<Bytes>> {
        self.0.read(path).await
    }

    async fn list(&self) -> Result<Vec<matrix_architect_core::traits::TreeEntry>> {
        self.0.list().await
    }

    async fn pack(&self) -> Result<matrix_architect_core::traits::ByteStream> {
        self.0.pack().await
    }

    fn local(&self) -> Option<&std::path::Path> {
        self.0.local()
    }
}

#[async_trait]
impl Judges for Suites {
    fn sandbox(&self) -> Arc<dyn Sandbox> {
        native()
    }

    fn project(&self, tests: &[(&str, bool)]) -> Project {
        let failed: Vec<_> = tests.iter().filter(|(_, good)| !good).collect();
        let mut report = format!("running {} tests\n", tests.len());
        for (name, good) in tests {
            let _ = writeln!(report, "test {name} ... {}", if *good { "ok" } else { "FAILED" });
        }
        let word = if failed.is_empty() { "ok" } else { "FAILED" };
        let passed = tests.len() - failed.len();
        let _ = writeln!(
            report,
            "\ntest result: {word}. {passed} passed; {} failed; 0 ignored; 0 measured; \
             0 filtered out; finished in 0.00s",
            failed.len()
        );
        let script = format!("cat report.txt\nexit {}\n", if failed.is_empty() { 0 } else { 101 });
        BTreeMap::from([
            (".matrix/architect.toml".to_owned(), RULES.into()),
            ("report.txt".to_owned(), report.into()),
            ("suite.sh".to_owned(), script.into()),
        ])
    }

    fn rules(&self) -> Vec<String> {
        vec![".matrix/architect.toml".to_owned()]
    }

    async fn tree(&self, project: &Project) -> Result<Arc<dyn Tree>> {
        let files = project.iter().map(|(path, content)| (path.as_str(), &content[..]));
        let directory = directory(files);
        Ok(Arc::new(Held(DirTree::open(directory.path())?, directory)))
    }
}

/// A directory with these files.
fn directory<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    root
}

/// A directory with these files, as text.
fn project(files: &[(&str, &str)]) -> TempDir {
    directory(files.iter().map(|(path, text)| (*path, text.as_bytes())))
}

/// The names of the files in the release.
fn released(outcome: &Outcome) -> Vec<String> {
    let mut archive = tar::Archive::new(&*outcome.bundle);
    let name = |entry: std::io::Result<tar::Entry<'_, _>>| {
        entry.unwrap().path().unwrap().display().to_string()
    };
    archive.entries().unwrap().map(name).collect()
}

mod contract {
    matrix_architect_core::verifier_suite!(match super::Suites::here() {
        Some(suites) => suites,
        None => return Ok(()),
    });
}

#[tokio::test]
async fn a_missing_tool_is_named_with_its_remedy_and_never_passed() -> Result<()> {
    let base = project(&[("Cargo.toml", "[package]\nname = 'a'\n"), ("src/lib.rs", "")]);
    let config = VerifyConfig::default().allow_degraded(true).env("PATH", "/bin");
    let config = config.env("RUSTUP_HOME", "/nonexistent");
    let wish = Wish { config, ..Wish::default() };
    let outcome = wish.verify(base.path(), base.path()).await?;
    for name in ["rust.fmt", "rust.clippy", "rust.build", "rust.test"] {
        let evidence = outcome.named(name);
        assert_eq!(evidence.result, CheckResult::Inconclusive, "{evidence:?}");
        assert!(!evidence.passed && evidence.required);
        assert!(evidence.summary.contains("is missing in the sandbox; "), "{}", evidence.summary);
    }
    Ok(())
}

#[tokio::test]
async fn a_report_that_stands_in_the_tree_does_not_count() -> Result<()> {
    let good = r#"<testsuite><testcase name="a"/></testsuite>"#;
    let rules = "[verify]\nsuites = []\n[[verify.check]]\nname = 'unit'\nrun = 'true'\n\
        parser = 'junit'\nreport = 'out/junit.xml'\n";
    let base = project(&[(".matrix/architect.toml", rules), ("out/junit.xml", good)]);
    let outcome = Wish::default().verify(base.path(), base.path()).await?;
    let unit = outcome.named("unit");
    assert_eq!(unit.result, CheckResult::Inconclusive, "{unit:?}");
    Ok(())
}

#[tokio::test]
async fn a_report_that_a_check_writes_counts_and_is_kept() -> Result<()> {
    let rules = "[verify]\nsuites = []\n[[verify.check]]\nname = 'unit'\nparser = 'junit'\n\
        run = 'mkdir -p out && cp stored.xml out/junit.xml'\nreport = 'out/junit.xml'\n";
    let good = r#"<testsuite><testcase name="a"/><testcase name="b"/></testsuite>"#;
    let base = project(&[(".matrix/architect.toml", rules), ("stored.xml", good)]);
    let outcome = Wish::default().verify(base.path(), base.path()).await?;
    let unit = outcome.named("unit");
    assert_eq!((unit.result, unit.summary.as_str()), (CheckResult::Passed, "2 passed"));
    assert_eq!(&outcome.sink.reports()["unit.junit.xml"][..], good.as_bytes());
    assert_eq!(unit.artifacts.len(), 1);
    for detail in ["command", "sandbox", "verdict", "usage", "enforcement"] {
        assert!(unit.details.contains_key(detail), "{detail}: {:?}", unit.details);
    }
    Ok(())
}

#[tokio::test]
async fn a_check_that_takes_too_long_is_inconclusive() -> Result<()> {
    let rules = "[verify]\nsuites = []\n[[verify.check]]\nname = 'slow'\nrun = 'sleep 30'\n\
        timeout_seconds = 1\n";
    let base = project(&[(".matrix/architect.toml", rules)]);
    let outcome = Wish::default().verify(base.path(), base.path()).await?;
    let slow = outcome.named("slow");
    assert_eq!(slow.result, CheckResult::Inconclusive, "{slow:?}");
    assert_eq!(slow.summary, "stopped: out of time");
    Ok(())
}

#[tokio::test]
async fn a_release_is_what_the_base_includes() -> Result<()> {
    let rules = "[verify]\nsuites = []\n[[verify.check]]\nname = 'build'\n\
        run = 'mkdir -p out/tmp && echo x > out/app && echo y > out/tmp/left && echo z > other'\n\
        [release]\ninclude = ['out/app', 'docs/**']\n";
    let base = project(&[(".matrix/architect.toml", rules), ("docs/a.md", "a")]);
    let outcome = Wish::default().verify(base.path(), base.path()).await?;
    assert_eq!(released(&outcome), ["docs/a.md", "out/app"]);
    Ok(())
}

#[tokio::test]
async fn a_release_of_nothing_is_an_error_that_says_so() {
    let rules = "[verify]\nsuites = []\n[release]\ninclude = ['target/release/app']\n";
    let base = project(&[(".matrix/architect.toml", rules)]);
    let error = Wish::default().verify(base.path(), base.path()).await.err().unwrap();
    assert_eq!(error.code_str(), "empty_release");
    assert!(error.to_string().contains("target/release/app"), "{error}");
}

#[tokio::test]
async fn demands_that_are_not_met_stop_the_change() -> Result<()> {
    let base = project(&[("notes.txt", "nothing to check\n")]);
    let constraints = JobConstraints {
        require_tests: true,
        require_build: true,
        coverage_threshold: Some(80.0),
        ..JobConstraints::default()
    };
    let wish = Wish { constraints, ..Wish::default() };
    let outcome = wish.verify(base.path(), base.path()).await?;
    let result = |name| {
        let evidence = outcome.named(name);
        (evidence.result, evidence.passed, evidence.required)
    };
    assert_eq!(result("constraint.tests"), (CheckResult::Failed, false, true));
    assert_eq!(result("constraint.build"), (CheckResult::Failed, false, true));
    assert_eq!(result("constraint.coverage"), (CheckResult::Inconclusive, false, true));
    Ok(())
}

#[tokio::test]
async fn coverage_is_held_against_the_threshold() -> Result<()> {
    let rules = "[verify]\nsuites = []\n[[verify.check]]\nname = 'coverage'\nrun = 'cat lcov.info'\n\
        parser = 'lcov'\n";
    let lcov = "SF:a\nLF:4\nLH:3\nend_of_record\n";
    let base = project(&[(".matrix/architect.toml", rules), ("lcov.info", lcov)]);
    for (threshold, expected) in [(75.0, CheckResult::Passed), (75.1, CheckResult::Failed)] {
        let constraints = JobConstraints {
            coverage_threshold: Some(threshold),
            require_tests: false,
            ..JobConstraints::default()
        };
        let wish = Wish { constraints, ..Wish::default() };
        let outcome = wish.verify(base.path(), base.path()).await?;
        assert_eq!(outcome.named("constraint.coverage").result, expected);
    }
    Ok(())
}

#[tokio::test]
async fn added_secrets_and_deceiving_text_are_found_where_they_stand() -> Result<()> {
    let token = format!("ghp_{}", "Zk3Jq9Lw2Xc8Vb4Nm7Ty1Rp6Hd5Gf0Sa9QeU");
    let base = project(&[("a.txt", "one\ntwo\n")]);
    let text = format!("one\ntwo\ntoken = {token}\nif ok\u{202e} {{\n");
    let tree = project(&[("a.txt", &text)]);
    let outcome = Wish::default().verify(base.path(), tree.path()).await?;
    let secrets = outcome.named("security.secrets");
    assert_eq!((secrets.result, secrets.findings.len()), (CheckResult::Failed, 1));
    assert_eq!(secrets.findings[0].line, Some(3));
    let stored = format!("{:?}{}", outcome.sink.evidence(), outcome.sink.said());
    assert!(!stored.contains(&token[4..20]), "a secret is repeated");
    let text = outcome.named("security.text");
    assert_eq!((text.result, text.findings[0].line), (CheckResult::Failed, Some(4)));

    let unchanged = Wish::default().verify(tree.path(), tree.path()).await?;
    assert_eq!(unchanged.named("security.secrets").result, CheckResult::Passed);
    Ok(())
}

#[tokio::test]
async fn rules_that_cannot_be_read_are_an_error_with_their_line() {
    let base = project(&[(".matrix/architect.toml", "[verify]\n\nsuits = ['rust']\n")]);
    let error = Wish::default().verify(base.path(), base.path()).await.err().unwrap();
    assert_eq!((error.code_str(), error.context_value("line")), ("bad_rules", Some("3")));
}

/// Whatever a check of coverage leaves, the base's own figure stands beside it.
#[tokio::test]
async fn coverage_is_measured_on_the_base_where_it_is_asked_for() -> Result<()> {
    let rules = "[verify]\nsuites = []\n[[verify.check]]\nname = 'coverage'\nparser = 'lcov'\n\
        report = 'out/lcov.info'\nrun = 'mkdir -p out && cp measured out/lcov.info'\n";
    let measured = |hit| format!("SF:a\nLF:8\nLH:{hit}\nend_of_record\n");
    let (before, after) = (measured(6), measured(4));
    let base = project(&[(".matrix/architect.toml", rules), ("measured", &before)]);
    let tree = project(&[(".matrix/architect.toml", rules), ("measured", &after)]);
    let outcome = Wish::default().verify(base.path(), tree.path()).await?;
    let coverage = outcome.named("coverage");
    assert_eq!(coverage.details["percent"], 50.0);
    assert_eq!(coverage.details["base_percent"], 75.0);
    assert_eq!(coverage.summary, "50.0 % of lines reached; 75.0 % before the change");
    let verdict = judged(&outcome, &Patch::default());
    let drop = verdict.risk.signals.iter().find(|signal| signal.name == "coverage_drop");
    assert_eq!(drop.map(|s| s.detail.as_str()), Some("coverage fell by 25.0 points"));
    Ok(())
}

#[tokio::test]
async fn coverage_that_an_earlier_check_left_is_measured_on_the_base_too() -> Result<()> {
    let rules = "[verify]\nsuites = []\n[[verify.check]]\nname = 'unit'\nrun = 'cp measured left'\n\
        [[verify.check]]\nname = 'coverage'\nparser = 'lcov'\nrun = 'cat left'\n";
    let (before, after) =
        ("SF:a\nLF:4\nLH:3\nend_of_record\n", "SF:a\nLF:4\nLH:4\nend_of_record\n");
    let base = project(&[(".matrix/architect.toml", rules), ("measured", before)]);
    let tree = project(&[(".matrix/architect.toml", rules), ("measured", after)]);
    let outcome = Wish::default().verify(base.path(), tree.path()).await?;
    let coverage = outcome.named("coverage");
    assert_eq!((&coverage.details["base_percent"], coverage.passed), (&75.0.into(), true));
    let signals = judged(&outcome, &Patch::default()).risk.signals;
    assert!(signals.iter().all(|signal| signal.name != "coverage_drop"), "{signals:?}");
    Ok(())
}

#[tokio::test]
async fn coverage_that_the_base_cannot_tell_is_said() -> Result<()> {
    let rules = "[verify]\nsuites = []\n[[verify.check]]\nname = 'coverage'\nparser = 'lcov'\n\
        run = 'cat measured'\n";
    let base = project(&[(".matrix/architect.toml", rules)]);
    let after = "SF:a\nLF:4\nLH:4\nend_of_record\n";
    let tree = project(&[(".matrix/architect.toml", rules), ("measured", after)]);
    let outcome = Wish::default().verify(base.path(), tree.path()).await?;
    assert!(outcome.named("coverage").summary.ends_with("; not known before the change"));
    let signals = judged(&outcome, &Patch::default()).risk.signals;
    assert!(signals.iter().any(|signal| signal.name == "check_missing"), "{signals:?}");
    Ok(())
}

/// What the built-in policy makes of a verification.
fn judged(outcome: &Outcome, patch: &Patch) -> Verdict {
    let policy = RulePolicy::new(Rules::default()).unwrap();
    let (plan, constraints, by) =
        (Plan::default(), JobConstraints::default(), "ada".parse().unwrap());
    let evidence = outcome.sink.evidence();
    policy.judge(&PolicyInput::new(&plan, patch, &evidence, &constraints, &[], &by))
}

/// The patch that replaces one file's text, every line of it.
fn replaced(path: &str, before: &str, after: &str) -> Patch {
    let lines = |text: &str| u32::try_from(text.lines().count()).unwrap();
    let (old, new) = (lines(before), lines(after));
    let mut diff = format!(
        "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,{old} +1,{new} @@\n"
    );
    for (sign, text) in [('-', before), ('+', after)] {
        text.lines().for_each(|line| writeln!(diff, "{sign}{line}").unwrap());
    }
    let file = FileChange {
        path: RelPath::new(path).unwrap(),
        kind: ChangeKind::Modified,
        from: None,
        before: Some(Digest::of(before)),
        after: Some(Digest::of(after)),
        executable: false,
        mode_changed: false,
        binary: false,
        added_lines: new,
        removed_lines: old,
    };
    Patch { files: vec![file], diff }
}

/// A lint fails; the change does not mend the code but allows the lint. The suite passes then, and
/// the gate asks somebody.
#[tokio::test]
async fn a_failing_lint_that_a_change_allows_does_not_pass_silently() -> Result<()> {
    let manifest = |level| {
        format!(
            "[package]\nname = \"a\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\n\
             [lints.rust]\nunused_variables = \"{level}\"\n"
        )
    };
    let (strict, lax) = (manifest("deny"), manifest("allow"));
    let rules = "[verify.builtin.\"rust.test\"]\nenabled = false\n";
    let code = "pub fn a() {\n    let b = 1;\n}\n";
    let files = |manifest| {
        [(".matrix/architect.toml", rules), ("Cargo.toml", manifest), ("src/lib.rs", code)]
    };
    let (base, tree) = (project(&files(&strict)), project(&files(&lax)));
    let failing = Wish::default().verify(base.path(), base.path()).await?;
    assert!(
        !failing.named("rust.clippy").findings.is_empty(),
        "{:?}",
        failing.named("rust.clippy")
    );
    let outcome = Wish::default().verify(base.path(), tree.path()).await?;
    assert_eq!(outcome.named("rust.clippy").result, CheckResult::Passed);

    let verdict = judged(&outcome, &replaced("Cargo.toml", &strict, &lax));
    assert_eq!(verdict.decision, Decision::RequireApproval, "{:?}", verdict.reasons);
    let said = "unused_variables: \"deny\" is now \"allow\" in Cargo.toml";
    assert!(verdict.reasons.iter().any(|reason| reason.contains(said)), "{:?}", verdict.reasons);
    Ok(())
}
