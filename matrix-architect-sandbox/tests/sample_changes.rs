//! The sample changes, each verified by the real tools in the native sandbox.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

mod judging;
#[path = "judging/skip.rs"]
mod skip;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use judging::{Outcome, Wish};
use matrix_architect_core::{
    error::Result,
    evidence::{CheckResult, TestCounts},
    job::JobConstraints,
    path::RelPath,
    plan::{Plan, StepStatus},
};
use tempfile::TempDir;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/changes")
}

fn plan(project: &str, change: &str) -> Plan {
    let path = samples().join(project).join("changes").join(format!("{change}.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A copy of a project, without what a build in place may have left.
fn copy(project: &str) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    let from = samples().join(project).join("project");
    let copied = Command::new("cp").arg("-R").arg(from.join(".")).arg(to.path()).status().unwrap();
    assert!(copied.success());
    let _ = fs::remove_dir_all(to.path().join("target"));
    to
}

/// Carries out what the sample plans need: files created and files replaced.
fn changed(project: &str, plan: &Plan) -> TempDir {
    let tree = copy(project);
    for op in plan.operations() {
        let path = tree.path().join(RelPath::new(&*op.path).unwrap().as_path());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, op.bytes().unwrap().unwrap()).unwrap();
    }
    tree
}

async fn verify(project: &str, change: &str) -> Result<Outcome> {
    let plan = plan(project, change);
    let (base, tree) = (copy(project), changed(project, &plan));
    let wish = Wish { plan, constraints: JobConstraints::default(), ..Wish::default() };
    wish.verify(base.path(), tree.path()).await
}

fn stops(outcome: &Outcome) -> bool {
    outcome.sink.evidence().iter().any(|evidence| evidence.required && !evidence.passed)
}

#[expect(clippy::unnecessary_wraps, reason = "as evidence has them")]
fn counts(passed: u64, failed: u64) -> Option<TestCounts> {
    Some(TestCounts { passed, failed, skipped: 0 })
}

fn has_python() -> bool {
    let version = Command::new("python3").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success()) || {
        skip::skip("python3 is not installed");
        false
    }
}

#[tokio::test]
async fn a_good_rust_change_passes_every_check_and_brings_its_program() -> Result<()> {
    let outcome = verify("rust-greeter", "passes").await?;
    let all: Vec<_> =
        outcome.sink.evidence().into_iter().map(|e| (e.name, e.result, e.summary)).collect();
    assert!(all.iter().all(|(_, result, _)| *result == CheckResult::Passed), "{all:#?}");
    assert_eq!(outcome.named("rust.test").tests, counts(13, 0));
    for name in ["rust.fmt", "rust.clippy", "rust.build", "greeter.smoke", "step.test.1"] {
        assert!(outcome.named(name).passed);
    }
    let mut archive = tar::Archive::new(&*outcome.bundle);
    let names: Vec<_> =
        archive.entries().unwrap().map(|e| e.unwrap().path().unwrap().into_owned()).collect();
    assert_eq!(names, [Path::new("README.md"), Path::new("target/debug/greeter")]);
    Ok(())
}

#[tokio::test]
async fn a_rust_change_that_breaks_tests_names_them() -> Result<()> {
    let outcome = verify("rust-greeter", "breaks-a-test").await?;
    let tests = outcome.named("rust.test");
    assert_eq!((tests.result, tests.tests), (CheckResult::Failed, counts(7, 5)));
    let named: Vec<_> = tests.findings.iter().map(|finding| finding.name.as_str()).collect();
    assert_eq!(
        named,
        [
            "tests::nobody_is_the_world",
            "tests::somebody_is_greeted_by_name",
            "tests::two_are_greeted_together",
            "names_are_greeted",
            "src/lib.rs - greet",
        ]
    );
    assert!(tests.findings.iter().all(|finding| !finding.preexisting && finding.file.is_some()));
    assert!(stops(&outcome) && !outcome.named("greeter.smoke").passed);
    Ok(())
}

#[tokio::test]
async fn a_change_that_drops_its_checks_is_judged_by_the_bases() -> Result<()> {
    let outcome = verify("rust-greeter", "drops-its-checks").await?;
    assert_eq!(outcome.named("rust.test").result, CheckResult::Failed);
    assert_eq!(outcome.named("greeter.smoke").result, CheckResult::Failed);
    assert!(stops(&outcome));
    Ok(())
}

#[tokio::test]
async fn text_that_deceives_is_found() -> Result<()> {
    let outcome = verify("rust-greeter", "deceives").await?;
    let text = outcome.named("security.text");
    assert_eq!((text.result, text.findings.len()), (CheckResult::Failed, 2));
    assert_eq!(text.findings[0].name, "bidi-control");
    Ok(())
}

#[tokio::test]
async fn a_good_python_change_passes_its_tests() -> Result<()> {
    if !has_python() {
        return Ok(());
    }
    let outcome = verify("py-greeter", "passes").await?;
    let tests = outcome.named("python.test");
    assert_eq!((tests.result, tests.tests), (CheckResult::Passed, counts(12, 0)), "{tests:?}");
    let steps = outcome.sink.steps();
    assert!(steps.iter().any(|step| step.status == StepStatus::Completed));
    assert!(!stops(&outcome), "{:#?}", outcome.sink.evidence());
    Ok(())
}

#[tokio::test]
async fn a_python_change_that_breaks_a_test_names_it() -> Result<()> {
    if !has_python() {
        return Ok(());
    }
    let outcome = verify("py-greeter", "breaks-a-test").await?;
    let tests = outcome.named("python.test");
    assert_eq!((tests.result, tests.tests), (CheckResult::Failed, counts(10, 1)), "{tests:?}");
    let finding = &tests.findings[0];
    assert!(finding.name.ends_with("test_an_unknown_language_is_told"), "{finding:?}");
    assert_eq!(finding.file.as_deref(), Some("tests/test_greeting.py"));
    Ok(())
}

#[test]
fn every_plan_is_well_formed_and_every_hostile_one_is_not() {
    for project in ["rust-greeter", "py-greeter"] {
        for entry in fs::read_dir(samples().join(project).join("changes")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(change) = name.strip_suffix(".json") else { continue };
            let plan = plan(project, change);
            // Whether a path inside the tree is Git's own is decided where it is applied.
            let by_path = change.starts_with("hostile-") && !change.contains("hook");
            assert_eq!(plan.validate().is_err(), by_path, "{project}/{name}");
        }
    }
}

#[test]
fn projects_are_prepared_as_repositories_that_are_the_same_everywhere() {
    let heads = [0, 1].map(|_| {
        let to = tempfile::tempdir().unwrap();
        let output = Command::new(samples().join("prepare")).arg(to.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let head = |project| {
            let repository = to.path().join(project);
            let output =
                Command::new("git").arg("-C").arg(repository).args(["rev-parse", "HEAD"]).output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        };
        ["rust-greeter", "py-greeter"].map(head)
    });
    assert_eq!(heads[0], heads[1]);
    assert!(heads[0].iter().all(|head| head.trim().len() == 40), "{heads:?}");
}
