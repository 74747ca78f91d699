//! The same verification in every sandbox of one machine: what a change is told must not depend on
//! who isolates it. The native sandbox, bubblewrap and Docker verify the same changes, and their
//! evidence is compared whole but for what is the sandbox's own: times, usage, enforcement.
#![cfg(all(
    feature = "native",
    feature = "bwrap",
    feature = "docker",
    feature = "verify",
    target_os = "linux"
))]
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "these are tests")]

#[path = "common/image.rs"]
mod image;
mod judging;
#[path = "judging/skip.rs"]
mod skip;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use judging::{Wish, environment};
use matrix_architect_core::{
    error::Result,
    evidence::{CheckResult, Evidence},
    job::JobConstraints,
    plan::Plan,
    traits::Sandbox,
};
use matrix_architect_sandbox::{
    bwrap::{BwrapConfig, BwrapSandbox},
    docker::{DockerConfig, DockerSandbox},
    native::{NativeConfig, NativeSandbox, Toolchains, detect_toolchains},
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The sandboxes that there are here, by name, each with these toolchains where they are the
/// host's.
struct Everywhere {
    sandboxes: Vec<(&'static str, Arc<dyn Sandbox>)>,
    _seats: TempDir,
}

impl Everywhere {
    fn of_the_host(toolchains: &Toolchains) -> Self {
        let native = || NativeConfig::default().toolchains(toolchains.clone());
        let seats = tempfile::tempdir().unwrap();
        let mut sandboxes: Vec<(_, Arc<dyn Sandbox>)> =
            vec![("native", Arc::new(NativeSandbox::new(native()).unwrap()))];
        if Path::new("/usr/bin/bwrap").is_file() {
            let config = BwrapConfig::in_directory(seats.path()).native(native());
            sandboxes.push(("bwrap", Arc::new(BwrapSandbox::new(config).unwrap())));
        } else {
            skip::skip("bubblewrap is not installed: the others are compared without it");
        }
        Self { sandboxes, _seats: seats }
    }

    async fn and_docker(mut self) -> Self {
        if image::docker(&["version"]).is_none() {
            skip::skip("there is no Docker engine: the others are compared without it");
            return self;
        }
        image::ensure(image::IMAGE, &image::Files::new());
        let docker = DockerSandbox::connect(DockerConfig::new(image::IMAGE)).await.unwrap();
        self.sandboxes.push(("docker", Arc::new(docker)));
        self
    }

    /// Verifies a change in each and demands one answer; returns it.
    async fn agree(&self, project: &str, change: &str) -> Result<Vec<Value>> {
        let mut answers = Vec::new();
        for (name, sandbox) in &self.sandboxes {
            answers.push((*name, verify(Arc::clone(sandbox), project, change).await?));
        }
        let (_, first) = &answers[0];
        for (name, answer) in &answers[1..] {
            let told = |answer: &[Value]| serde_json::to_string_pretty(answer).unwrap();
            let named = format!("{name} and {} on {project}/{change}", answers[0].0);
            assert_eq!(told(answer), told(first), "{named}");
        }
        eprintln!("{project}/{change}: {} sandboxes, one answer", answers.len());
        Ok(answers.swap_remove(0).1)
    }
}

async fn verify(sandbox: Arc<dyn Sandbox>, project: &str, change: &str) -> Result<Vec<Value>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/changes").join(project);
    let plan = fs::read(samples.join("changes").join(format!("{change}.json"))).unwrap();
    let plan: Plan = serde_json::from_slice(&plan).unwrap();
    let (base, tree) = (copy(&samples), copy(&samples));
    for op in plan.operations() {
        let path = tree.path().join(&*op.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, op.bytes().unwrap().unwrap()).unwrap();
    }
    let constraints = JobConstraints::default();
    let wish = Wish { sandbox, constraints, plan, ..Wish::default() };
    let outcome = wish.verify(base.path(), tree.path()).await?;
    assert!(outcome.named("security.text").passed);
    let mut answer: Vec<_> = outcome.sink.evidence().iter().map(essence).collect();
    answer.push(json!({ "released": released(&outcome.bundle) }));
    Ok(answer)
}

/// What the evidence says of the change, not of the sandbox.
fn essence(evidence: &Evidence) -> Value {
    json!({
        "kind": evidence.kind,
        "name": evidence.name,
        "passed": evidence.passed,
        "result": evidence.result,
        "required": evidence.required,
        "summary": evidence.summary,
        "tests": evidence.tests,
        "findings": evidence.findings,
        "command": evidence.details.get("command"),
        "exit_code": evidence.details.get("exit_code"),
        "verdict": evidence.details.get("verdict"),
    })
}

/// The files of a release, and what they may be done with.
fn released(bundle: &[u8]) -> Vec<(PathBuf, u32)> {
    let mut archive = tar::Archive::new(bundle);
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        (entry.path().unwrap().into_owned(), entry.header().mode().unwrap())
    });
    entries.collect()
}

/// A copy of a project, without what a build in place may have left.
fn copy(samples: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-R").arg(samples.join("project/.")).arg(to.path()).stdin(Stdio::null());
    assert!(copy.status().unwrap().success());
    for left in ["target", ".pytest_cache", ".ruff_cache"] {
        let _ = fs::remove_dir_all(to.path().join(left));
    }
    if samples.ends_with("py-greeter") {
        // The image has no build backend, which is the image's matter.
        let rules = "[verify.builtin.\"python.build\"]\nenabled = false\n";
        fs::create_dir(to.path().join(".matrix")).unwrap();
        fs::write(to.path().join(".matrix/architect.toml"), rules).unwrap();
    }
    to
}

fn result_of<'a>(answer: &'a [Value], name: &str) -> &'a Value {
    answer.iter().find(|evidence| evidence["name"] == name).unwrap()
}

#[tokio::test]
async fn python_changes_are_judged_alike_natively_by_bubblewrap_and_by_docker() -> Result<()> {
    // The host's own Python and nothing beside it, as in the image.
    let everywhere = Everywhere::of_the_host(&Toolchains::default()).and_docker().await;
    let good = everywhere.agree("py-greeter", "passes").await?;
    let tests = result_of(&good, "python.test");
    assert_eq!(tests["result"], json!(CheckResult::Passed));
    assert!(tests["tests"]["passed"].as_u64().unwrap() >= 10, "{tests}");
    let broken = everywhere.agree("py-greeter", "breaks-a-test").await?;
    let tests = result_of(&broken, "python.test");
    assert_eq!(tests["result"], json!(CheckResult::Failed));
    assert!(!tests["findings"].as_array().unwrap().is_empty(), "{tests}");
    Ok(())
}

#[tokio::test]
async fn rust_changes_are_judged_alike_natively_and_by_bubblewrap() -> Result<()> {
    let toolchains = detect_toolchains(Path::new(&environment("HOME")), &environment("PATH"));
    let everywhere = Everywhere::of_the_host(&toolchains);
    let good = everywhere.agree("rust-greeter", "passes").await?;
    assert_eq!(result_of(&good, "rust.test")["tests"]["passed"], 13);
    let broken = everywhere.agree("rust-greeter", "breaks-a-test").await?;
    assert_eq!(result_of(&broken, "rust.test")["findings"].as_array().unwrap().len(), 5);
    Ok(())
}
