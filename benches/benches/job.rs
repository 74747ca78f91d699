//! What a whole job costs on top of its commands: one file changed, one trivial check, all six
//! stages, signed and durable: `cargo bench --bench job`.
//!
//! Each round runs the job and then the bare commands, in turn, so that whatever else the machine
//! does hits both. The bare commands are what somebody would type: clone, write, check, copy to the
//! target, copy to the public folder. They sync nothing, hash nothing, isolate nothing.

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
    attest::Ed25519Signer,
    engine::Engine,
    event::{Event, EventEnvelope},
    id::{PrincipalId, TenantId, WorkerId},
    job::{Job, JobSpec, JobStatus},
    pipeline::Stage,
    policy::{RulePolicy, Rules},
    principal::{Principal, Role},
    traits::{Cancel, Clock},
};
use matrix_architect_deploy::{publish::DirectoryPublisher, systemd::SystemdDeployer};
use matrix_architect_sandbox::{
    native::{NativeConfig, NativeSandbox},
    verify::{SuiteVerifier, VerifyConfig},
    workspace::{GitWorkspace, WorkspaceConfig},
};
use matrix_architect_store::{
    files::FileArtifacts,
    secrets::ChainedSecrets,
    sqlite,
    system::{SystemClock, SystemIds},
};
use serde_json::json;
use tokio::runtime::Runtime;

/// Measured rounds; one more comes first and is told apart, for what only a first job pays.
const ROUNDS: usize = 30;

fn main() {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    make_project(&folder.path().join("project"));
    let engine = runtime.block_on(engine(folder.path()));
    let mut rounds = Vec::with_capacity(ROUNDS);
    for number in 0..=ROUNDS {
        let round = Round::run(&runtime, &engine, folder.path(), number);
        if number == 0 {
            println!("the first job: {:.1} ms", milliseconds(round.job));
        } else {
            rounds.push(round);
        }
    }
    report(&rounds);
}

struct Round {
    job: Duration,
    bare: Duration,
    stages: [Duration; Stage::ALL.len()],
}

impl Round {
    fn run(runtime: &Runtime, engine: &Engine, folder: &Path, number: usize) -> Self {
        let begun = Instant::now();
        let events = runtime.block_on(job(engine, spec(folder, number)));
        let job = begun.elapsed();
        let begun = Instant::now();
        bare(folder, number);
        Self { job, bare: begun.elapsed(), stages: Stage::ALL.map(|stage| spent(&events, stage)) }
    }
}

async fn engine(folder: &Path) -> Engine {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let artifacts = Arc::new(FileArtifacts::open(folder.join("artifacts")).await.unwrap());
    let database = folder.join("architect.db");
    let stores = sqlite::open(database, Arc::clone(&clock), artifacts).await.unwrap();
    let verifier = SuiteVerifier::new(VerifyConfig::default(), Arc::new(SystemIds)).unwrap();
    Engine::builder()
        .store(stores.store)
        .queue(stores.queue)
        .logs(stores.logs)
        .artifacts(stores.artifacts)
        .locks(stores.locks)
        .secrets(Arc::new(ChainedSecrets::new()))
        .sandbox(Arc::new(NativeSandbox::new(NativeConfig::default()).unwrap()))
        .workspace(Arc::new(
            GitWorkspace::open(WorkspaceConfig::new(folder.join("scratch"))).unwrap(),
        ))
        .verifier(Arc::new(verifier))
        .policy(Arc::new(RulePolicy::new(Rules::default()).unwrap()))
        .signer(Arc::new(Ed25519Signer::from_seed([7; 32])))
        .clock(Arc::clone(&clock))
        .ids(Arc::new(SystemIds))
        .builder_id("https://example.org/bench")
        .deployer("systemd", Arc::new(SystemdDeployer::new(clock)))
        .publisher("directory", Arc::new(DirectoryPublisher::new()))
        .build()
        .unwrap()
}

/// One file changes, differently in each round, so that no round meets the release of another.
fn spec(folder: &Path, number: usize) -> JobSpec {
    let diff =
        format!("--- a/greeting.txt\n+++ b/greeting.txt\n@@ -1 +1 @@\n-hello\n+hi {number}\n");
    serde_json::from_value(json!({
        "repo": { "kind": "local", "path": folder.join("project") },
        "goal": "greet",
        "change": { "diff": diff },
        "verify_commands": ["true"],
        "constraints": { "require_tests": false },
        "deployments": [{
            "target": "vm",
            "environment": "staging",
            "config": { "driver": "systemd", "service": "web", "root": folder.join("live") },
        }],
        "publish": [{ "driver": "directory", "config": { "path": folder.join("public") } }],
    }))
    .unwrap()
}

async fn job(engine: &Engine, spec: JobSpec) -> Vec<EventEnvelope> {
    let me = Principal::new(PrincipalId::from_number(1), TenantId::default(), Role::Operator);
    let submitted = engine.submit(&me, spec).await.unwrap().reference();
    let worker = engine.worker(WorkerId::from_number(1));
    let Job { status, attestation, error, .. } =
        worker.drive(&submitted, &Cancel::new()).await.unwrap();
    assert_eq!(status, JobStatus::Succeeded, "{error:?}");
    assert!(attestation.is_some());
    engine.history(&me, &submitted.id, 0).await.unwrap()
}

/// From the beginning of a stage to its end, both as they were stored.
fn spent(events: &[EventEnvelope], stage: Stage) -> Duration {
    let begun = events.iter().find(
        |event| matches!(&event.event, Event::Started { stage: started, .. } if *started == stage),
    );
    let done = events
        .iter()
        .find(|event| matches!(&event.event, Event::Finished(output) if output.stage() == stage));
    done.unwrap().at.since(begun.unwrap().at)
}

fn bare(folder: &Path, number: usize) {
    let tree = folder.join(format!("bare-{number}"));
    let copy = |to: &str| {
        run(Command::new("cp").arg("-r").arg(&tree).arg(folder.join(format!("{to}-{number}"))));
    };
    run(Command::new("git").args(["clone", "-q"]).arg(folder.join("project")).arg(&tree));
    fs::write(tree.join("greeting.txt"), format!("hi {number}\n")).unwrap();
    run(Command::new("sh").args(["-c", "true"]).current_dir(&tree));
    copy("bare-live");
    copy("bare-public");
}

fn make_project(project: &Path) {
    fs::create_dir_all(project).unwrap();
    fs::write(project.join("greeting.txt"), "hello\n").unwrap();
    let git = |arguments: &[&str]| {
        run(Command::new("git")
            .args(["-c", "user.name=bench", "-c", "user.email=bench@example.org"])
            .args(arguments)
            .current_dir(project));
    };
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-q", "-m", "a greeting"]);
}

fn run(command: &mut Command) {
    assert!(command.stdin(Stdio::null()).status().unwrap().success(), "{command:?}");
}

fn report(rounds: &[Round]) {
    let jobs = percentiles(rounds, |round| round.job);
    let own = percentiles(rounds, |round| round.job.saturating_sub(round.bare));
    let bare = percentiles(rounds, |round| round.bare);
    println!("{:<34} {:>10} {:>10} {:>10}", "a whole job", "p10", "p50", "p90");
    for (name, times) in [("job", jobs), ("bare commands", bare), ("own time: job - bare", own)] {
        println!("{name:<34} {:>7.1} ms {:>7.1} ms {:>7.1} ms", times[0], times[1], times[2]);
    }
    let mut stages = 0.0;
    for (index, stage) in Stage::ALL.iter().enumerate() {
        let times = percentiles(rounds, |round| round.stages[index]);
        stages += times[1];
        println!("  {stage:<32?} {:>7.1} ms {:>7.1} ms {:>7.1} ms", times[0], times[1], times[2]);
    }
    println!("  {:<32} {:>10} {:>7.1} ms", "submit, claims, between stages", "", jobs[1] - stages);
}

/// The 10th, 50th and 90th percentile in milliseconds.
fn percentiles(rounds: &[Round], of: impl Fn(&Round) -> Duration) -> [f64; 3] {
    let mut times: Vec<_> = rounds.iter().map(of).collect();
    times.sort_unstable();
    [10, 50, 90].map(|percent| milliseconds(times[times.len() * percent / 100]))
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
