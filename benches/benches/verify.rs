//! What verification costs on top of the tools it runs: `cargo bench --bench verify`.
//!
//! Each round verifies the sample change of `examples/changes/rust-greeter` in the native sandbox, from
//! an empty target directory, and then runs the same commands with the same settings outside of it,
//! in turn, so that whatever else the machine does hits both. Verification also packs the trees, scans
//! the change, compares the tools' settings and collects the release; all of that is in its time.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "the table is what this bench is for")]

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    fake::{CountingIds, FixedClock, MemoryEvidence, job_ref},
    job::JobConstraints,
    plan::Plan,
    traits::{Cancel, Fence, Verifier as _, VerifyContext},
};
use matrix_architect_sandbox::{
    native::{NativeConfig, NativeSandbox, detect_toolchains},
    verify::{SuiteVerifier, VerifyConfig},
    workspace::DirTree,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ROUNDS: usize = 7;

/// What the suite of a Rust project runs, and the sample's own checks, as somebody would type them.
const OUTSIDE: [&str; 6] = [
    "cargo fmt --all --check",
    "cargo clippy --all-targets --workspace --offline --locked --message-format=json",
    "cargo build --workspace --offline --locked --message-format=json",
    "cargo test --no-fail-fast --workspace --offline --locked",
    "target/debug/greeter Ada | grep -qx 'Hello, Ada!'",
    "target/debug/greeter --lang es Ada | grep -qx 'Hola, Ada!'",
];

fn main() {
    let runtime = Runtime::new().unwrap();
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/changes/rust-greeter");
    let plan = fs::read(samples.join("changes/passes.json")).unwrap();
    let plan: Plan = serde_json::from_slice(&plan).unwrap();
    let toolchains = detect_toolchains(Path::new(&environment("HOME")), &environment("PATH"));
    let sandbox = NativeSandbox::new(NativeConfig::default().toolchains(toolchains)).unwrap();
    let verifier = SuiteVerifier::new(
        VerifyConfig::default().allow_degraded(true),
        Arc::new(CountingIds::new()),
    )
    .unwrap();
    let mut rounds = Vec::with_capacity(ROUNDS);
    for number in 0..=ROUNDS {
        let (base, tree) = (copy(&samples), copy(&samples));
        for op in plan.operations() {
            fs::write(tree.path().join(&*op.path), op.bytes().unwrap().unwrap()).unwrap();
        }
        let begun = Instant::now();
        runtime.block_on(verify(&verifier, &sandbox, &plan, base.path(), tree.path()));
        let inside = begun.elapsed();
        let begun = Instant::now();
        outside(tree.path());
        let outside = begun.elapsed();
        // The first reads compilers and libraries from the disk.
        if number > 0 {
            rounds.push((inside, outside));
        }
    }
    report(&rounds);
}

async fn verify(
    verifier: &SuiteVerifier,
    sandbox: &NativeSandbox,
    plan: &Plan,
    base: &Path,
    tree: &Path,
) {
    let (base, tree) = (DirTree::open(base).unwrap(), DirTree::open(tree).unwrap());
    let (job, clock, sink) = (job_ref(1), FixedClock::new(), MemoryEvidence::new());
    let (cancel, constraints) = (Cancel::new(), JobConstraints::default());
    let cx = VerifyContext::new(
        (&job, Fence(1)),
        (&base, &tree),
        plan,
        &[],
        &constraints,
        sandbox,
        &clock,
        &sink,
        &cancel,
    );
    let verified = verifier.verify(&cx).await.unwrap();
    assert!(!verified.bundle.collect(256 << 20).await.unwrap().is_empty());
    let all = sink.evidence();
    assert!(all.iter().all(|evidence| evidence.passed), "{all:#?}");
    assert!(all.iter().any(|evidence| evidence.tests.is_some_and(|tests| tests.passed == 13)));
}

fn outside(tree: &Path) {
    for command in OUTSIDE {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(tree).stdin(Stdio::null());
        shell.env("CARGO_INCREMENTAL", "0").env("CARGO_TARGET_DIR", "target");
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A copy of the project, without what a build in place may have left.
fn copy(samples: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    let mut copy = Command::new("cp");
    copy.arg("-R").arg(samples.join("project/.")).arg(to.path()).stdin(Stdio::null());
    assert!(copy.status().unwrap().success());
    let _ = fs::remove_dir_all(to.path().join("target"));
    to
}

fn environment(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).unwrap_or_default()
}

fn report(rounds: &[(Duration, Duration)]) {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let seconds = |of: fn(&(Duration, Duration)) -> Duration| {
        median(rounds.iter().map(|round| of(round).as_secs_f64()).collect())
    };
    let ratio = median(rounds.iter().map(|(i, o)| i.as_secs_f64() / o.as_secs_f64()).collect());
    println!("medians of {ROUNDS} rounds");
    println!("verification in the native sandbox  {:>6.2} s", seconds(|round| round.0));
    println!("the same commands outside           {:>6.2} s", seconds(|round| round.1));
    println!("ratio, per round                    {ratio:>6.2}");
}
