//! What deciding costs: the fold of a job, hashes, signatures, and the gate.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up has no figure")]
#![expect(clippy::print_stdout, reason = "criterion tells no percentiles")]

use std::{
    fmt::Write as _,
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use matrix_architect_core::{
    artifact::{Artifact, ArtifactKind},
    attest::{
        Builder, Ed25519Signer, Envelope, Expectations, Provenance, Statement, Subject, TrustedKey,
        sign, verify,
    },
    attestation::Attestation,
    canonical,
    event::{Actor, Event, EventEnvelope, StageOutput},
    evidence::{CheckResult, Evidence, EvidenceKind},
    fake,
    id::{Digest, GitOid, JobId, PrincipalId, WorkerId},
    job::{JobConstraints, JobSpec, NewJob, Priority},
    patch::{ChangeKind, FileChange, Patch},
    path::RelPath,
    pipeline::{EVENT_VERSION, JobRecord, Phase, Stage},
    plan::{Base, Change, FileOp, FileOpKind, Plan, RepoSpec, Step, StepExecution, StepStatus},
    policy::{PolicyGate, PolicyInput, RulePolicy, Rules},
    tenant::JobRef,
    time::Timestamp,
    traits::Policy as _,
};

fn now() -> Timestamp {
    "2026-01-01T10:00:00Z".parse().unwrap()
}

fn job() -> JobRef {
    fake::job_ref(1)
}

fn new_job() -> NewJob {
    let repo = RepoSpec::Local { path: "/srv/source".into(), reference: None, subfolder: None };
    let spec = JobSpec {
        repo,
        goal: "say good morning".into(),
        change: Change::Goal,
        verify_commands: Vec::new(),
        constraints: JobConstraints::default(),
        deployments: Vec::new(),
        publish: Vec::new(),
        priority: Priority::default(),
        labels: [].into(),
        idempotency_key: None,
    };
    NewJob { job: job(), spec, requested_by: PrincipalId::from_number(1), at: now() }
}

/// A plan whose canonical JSON has about `bytes` bytes, in steps of one file each.
fn plan(bytes: usize) -> Plan {
    const FILE: usize = 4000;
    let line = "let total = prices.iter().map(|price| price * count).sum::<u64>(); // \"é\"\n";
    let step = |number: usize| Step {
        id: format!("step-{number}"),
        title: "rewrite".into(),
        ops: vec![FileOp {
            op: FileOpKind::Update,
            path: format!("src/file_{number}.rs"),
            content: Some(line.repeat(FILE / line.len())),
            ..FileOp::default()
        }],
        ..Step::default()
    };
    let steps = (0..bytes / FILE).map(step).collect();
    Plan { goal: "rewrite".into(), steps, ..Plan::default() }
}

fn evidence(number: usize) -> Evidence {
    let name = format!("check.{number}");
    Evidence::new(EvidenceKind::TestResults, name, CheckResult::Passed, now())
        .summary("57 passed, 0 failed")
        .detail("command", "cargo test")
}

fn artifact(number: usize) -> Artifact {
    let name = format!("report-{number}");
    let stored = (Digest::of(&name), 1000);
    Artifact::new(ArtifactKind::Report, name, "text/plain", stored, now())
}

fn step(number: usize) -> StepExecution {
    StepExecution {
        step_id: format!("step-{number}"),
        status: StepStatus::Completed,
        started_at: Some(now()),
        completed_at: Some(now()),
        error: None,
        artifacts: Vec::new(),
    }
}

/// What a stage of a job without targets leaves.
fn output(stage: Stage) -> StageOutput {
    let digest = Digest::of("content");
    match stage {
        Stage::Plan => StageOutput::Plan {
            plan: Box::new(plan(8000)),
            plan_hash: digest,
            base: Base {
                commit: Some(GitOid::new("0".repeat(40)).unwrap()),
                branch: None,
                tree: digest,
            },
        },
        Stage::Patch => StageOutput::Patch { patch_hash: digest, patch: digest, tree: digest },
        Stage::Verify => StageOutput::Verify { evidence: digest, bundle: digest },
        Stage::Gate => StageOutput::Gate {
            gate: Box::new(PolicyGate { allowed: true, ..PolicyGate::default() }),
            binding: digest,
            summary: digest,
        },
        Stage::Deploy => StageOutput::Deploy {},
        Stage::Publish => StageOutput::Publish { attestation: Box::new(attestation()) },
    }
}

fn attestation() -> Attestation {
    let envelope =
        Envelope { payload: "e30=".into(), payload_type: "text/plain".into(), signatures: vec![] };
    Attestation {
        job_id: JobId::from_number(1),
        completed_at: now(),
        plan_hash: Digest::of("plan"),
        patch_hash: Digest::of("patch"),
        evidence: Vec::new(),
        artifacts: Vec::new(),
        signed_by: String::new(),
        signature: String::new(),
        envelope,
    }
}

/// Forty events of a job that succeeded: 12 of the stages, 28 of what VERIFY saw.
fn history() -> Vec<EventEnvelope> {
    let stages =
        [Stage::Plan, Stage::Patch, Stage::Verify, Stage::Gate, Stage::Deploy, Stage::Publish];
    let mut events = Vec::new();
    for stage in stages {
        events.push(Event::Started { stage, worker: WorkerId::from_number(1) });
        if stage == Stage::Verify {
            events
                .extend((0..12).map(|number| Event::EvidenceRecorded(Box::new(evidence(number)))));
            events.extend((0..8).map(|number| Event::StepReported(step(number))));
            events.extend((0..8).map(|number| Event::ArtifactRecorded(artifact(number))));
        }
        events.push(Event::Finished(output(stage)));
    }
    let envelope = |(seq, event)| EventEnvelope {
        seq,
        at: now(),
        actor: Actor::Worker(WorkerId::from_number(1)),
        v: EVENT_VERSION,
        event,
    };
    (1..).zip(events).map(envelope).collect()
}

fn fold(c: &mut Criterion) {
    let (new, history) = (new_job(), history());
    assert_eq!(history.len(), 40);
    let record = JobRecord::fold(&new, history.clone()).unwrap();
    assert_eq!(record.state.phase, Phase::Succeeded);
    c.bench_function("fold a job of 40 events", |b| {
        b.iter_batched(
            || history.clone(),
            |history| JobRecord::fold(&new, history).unwrap(),
            criterion::BatchSize::SmallInput,
        );
    });
}

fn hash(c: &mut Criterion) {
    let plan = plan(100_000);
    let size = canonical::bytes(&plan).unwrap().len();
    assert!((95_000..115_000).contains(&size), "{size}");
    c.bench_function("hash a plan of 100 kB", |b| b.iter(|| black_box(&plan).hash().unwrap()));
}

fn statement() -> Statement {
    let record = JobRecord::fold(&new_job(), history()).unwrap();
    let builder = Builder::new("https://ci.example.org/architect");
    let provenance = Provenance::of(&record, builder, now()).unwrap();
    provenance.statement([Subject::new("bundle", Digest::of("bundle"))]).unwrap()
}

fn envelopes(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let signer = Ed25519Signer::from_seed([7; 32]);
    let statement = statement();
    let size = statement.to_bytes().len();
    c.bench_function(&format!("sign a provenance of {size} bytes"), |b| {
        b.iter(|| runtime.block_on(sign(&signer, black_box(&statement))).unwrap());
    });
    let stored = runtime.block_on(sign(&signer, &statement)).unwrap().to_bytes();
    let wanted = Expectations::of(TrustedKey::from_pem(signer.public_pem()).unwrap())
        .subject(Digest::of("bundle"));
    c.bench_function(&format!("verify a provenance of {size} bytes"), |b| {
        b.iter(|| verify(black_box(&stored), &wanted).unwrap());
    });
}

/// A change of `files` files with forty lines each.
fn patch(files: usize) -> Patch {
    const LINES: u32 = 20;
    let mut patch = Patch::default();
    for number in 0..files {
        let path = format!("src/module_{}/file_{number}.rs", number % 7);
        let mut lines = String::new();
        for line in 0..LINES {
            let _ = writeln!(lines, "-    let value_{line} = old({number});");
            let _ = writeln!(lines, "+    assert_eq!(value_{line}, new({number}));");
        }
        let _ = write!(
            patch.diff,
            "diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -1,{LINES} +1,{LINES} @@\n{lines}"
        );
        patch.files.push(FileChange {
            path: RelPath::new(path).unwrap(),
            kind: ChangeKind::Modified,
            from: None,
            before: Some(Digest::of("before")),
            after: Some(Digest::of("after")),
            executable: false,
            mode_changed: false,
            binary: false,
            added_lines: LINES,
            removed_lines: LINES,
        });
    }
    patch
}

fn gate(c: &mut Criterion) {
    let policy = RulePolicy::new(Rules::default()).unwrap();
    let (plan, constraints) = (plan(8000), JobConstraints::default());
    let evidence: Vec<_> = (0..12).map(evidence).collect();
    let by = PrincipalId::from_number(1);
    for files in [1, 25] {
        let patch = patch(files);
        let judge = || {
            let input = PolicyInput::new(&plan, &patch, &evidence, &constraints, &[], &by);
            policy.judge(black_box(&input))
        };
        let name = format!("judge a change of {} lines", files * 40);
        c.bench_function(&name, |b| b.iter(judge));
        let [p50, p99] = percentiles(judge);
        println!("{name:<40} p50 {p50:?}, p99 {p99:?} over {CALLS} calls");
    }
}

/// Calls of which percentiles are taken.
const CALLS: usize = 10_000;

/// How long half of the calls take at most, and 99 of 100.
fn percentiles<T>(call: impl Fn() -> T) -> [Duration; 2] {
    let timed = |_| {
        let start = Instant::now();
        black_box(call());
        start.elapsed()
    };
    let mut times: Vec<_> = (0..CALLS).map(timed).collect();
    times.sort_unstable();
    [times[CALLS / 2], times[CALLS * 99 / 100]]
}

criterion_group!(core, fold, hash, envelopes, gate);
criterion_main!(core);
