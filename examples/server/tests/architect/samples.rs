//! The sample changes, judged by the real tools inside the sandbox.

use std::{fs, path::PathBuf, process::Command};

use crate::support::{Bench, Ended, find};

fn samples() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../changes")
}

/// The sample project as a repository, and the command on one of its changes.
struct Sample {
    bench: Bench,
    project: &'static str,
}

impl Sample {
    fn new(project: &'static str) -> Self {
        let bench = Bench::new();
        let to = bench.path("samples");
        let prepared = Command::new(samples().join("prepare")).arg(to).arg(project).output();
        let prepared = prepared.expect("the samples can be prepared");
        assert!(prepared.status.success(), "{prepared:?}");
        Self { bench, project }
    }

    fn repo(&self) -> PathBuf {
        self.bench.path("samples").join(self.project)
    }

    fn run(&self, change: &str, more: &[&str]) -> Ended {
        let file = samples().join(self.project).join("changes").join(change);
        let kind =
            if file.extension().is_some_and(|end| end == "diff") { "--diff" } else { "--plan" };
        let (repo, file) = (self.repo().display().to_string(), file.display().to_string());
        let live = self.bench.path("live").display().to_string();
        let words = ["run", "--repo", &repo, kind, &file, "--allow-degraded", "--deploy-to", &live];
        self.bench.run_with_toolchains(&[&words, more].concat())
    }

    /// Neither the repository nor anything else holds what a hostile change would leave.
    #[track_caller]
    fn is_untouched(&self) {
        let git = |arguments: &[&str]| crate::support::git(&self.repo(), arguments);
        assert_eq!(git(&["status", "--porcelain", "--ignored"]), "");
        let hooks = fs::read_dir(self.repo().join(".git/hooks")).into_iter().flatten().flatten();
        let hooks = hooks.filter(|hook| !hook.path().to_string_lossy().ends_with(".sample"));
        assert_eq!(hooks.count(), 0, "no hook");
        assert!(find(&self.bench.root_path().join("live"), "current").is_none(), "nothing is live");
        assert!(find(self.bench.root_path(), "architect-was-here").is_none());
    }
}

/// Whether the machine has the tool; without it the test skips aloud, except in CI.
fn has(tool: &str) -> bool {
    let there = Command::new(tool).arg("--version").output().is_ok_and(|ran| ran.status.success());
    #[expect(clippy::disallowed_methods, reason = "a test asks whether it may skip")]
    let ci = std::env::var("ARCHITECT_CI").is_ok();
    assert!(there || !ci, "{tool} is missing and CI skips nothing");
    if !there {
        eprintln!("SKIPPED: {tool} is missing");
    }
    there
}

#[test]
fn a_passing_change_of_the_rust_sample_is_released_with_its_counts() {
    if !has("cargo") {
        return;
    }
    let sample = Sample::new("rust-greeter");
    let report = sample.run("passes.json", &["--json"]).expect(0).json();
    let evidence = report["job"]["evidence"].as_array().unwrap();
    let test = evidence.iter().find(|one| one["name"] == "rust.test").expect("a test suite");
    assert_eq!(test["tests"], serde_json::json!({ "passed": 13, "failed": 0, "skipped": 0 }));
}

#[test]
fn a_broken_test_of_the_rust_sample_stops_the_change_and_is_named() {
    if !has("cargo") {
        return;
    }
    let sample = Sample::new("rust-greeter");
    let ended = sample.run("breaks-a-test.json", &[]).expect(3);
    assert!(ended.stdout.contains("tests::nobody_is_the_world (src/lib.rs:"), "{ended:#?}");
    sample.is_untouched();
}

#[test]
fn a_change_that_drops_its_checks_is_judged_by_those_of_the_base() {
    if !has("cargo") {
        return;
    }
    let sample = Sample::new("rust-greeter");
    let ended = sample.run("drops-its-checks.json", &[]).expect(3);
    assert!(ended.stdout.contains("FAILED"), "{ended:#?}");
    sample.is_untouched();
}

#[test]
fn a_broken_test_of_the_python_sample_stops_the_change_and_is_named() {
    if !has("python3") {
        return;
    }
    let sample = Sample::new("py-greeter");
    let ended = sample.run("breaks-a-test.json", &[]).expect(3);
    assert!(ended.stdout.contains("test_an_unknown_language_is_told"), "{ended:#?}");
    sample.is_untouched();
}

#[test]
fn a_risky_change_waits_and_goes_on_after_another_approves() {
    if !has("python3") {
        return;
    }
    let sample = Sample::new("py-greeter");
    let waiting = sample.run("needs-approval.json", &["--json"]).expect(5).json();
    let id = waiting["job"]["id"].as_str().unwrap();
    assert_eq!(waiting["job"]["gate"]["requires_guardian_approval"], true);
    sample.bench.run(&["approve", id]).expect(4);
    sample.bench.run(&["approve", id, "--as", "grace"]).expect(0);
    let done = sample.run("needs-approval.json", &["--json"]).expect(0).json();
    assert_eq!(done["job"]["id"].as_str(), Some(id));
    assert_eq!(done["job"]["status"], "succeeded");
}

#[test]
fn hostile_changes_change_nothing() {
    for (project, changes) in [
        (
            "rust-greeter",
            &[
                "hostile-traversal.json",
                "hostile-absolute.json",
                "hostile-symlink.diff",
                "hostile-hook.json",
                "hostile-hook-in-disguise.json",
            ][..],
        ),
        ("py-greeter", &["hostile-traversal.diff", "hostile-rename.diff"][..]),
    ] {
        let sample = Sample::new(project);
        for change in changes {
            let ended = sample.run(change, &[]);
            // A plan is refused before it is a job, a diff by PLAN.
            assert!(matches!(ended.code, 2 | 3), "{change}: {ended:#?}");
            sample.is_untouched();
        }
    }
}
