//! One job with everything in it, and its statements.

use futures_util::FutureExt as _;
use matrix_architect_core::{
    artifact::{Artifact, ArtifactKind},
    attest::*,
    event::Grant,
    evidence::{CheckResult, Evidence, EvidenceKind, Finding},
    id::{ApprovalId, Digest, GitOid, JobId, PrincipalId, TenantId},
    job::{JobConstraints, JobSpec, NewJob, Priority},
    pipeline::JobRecord,
    plan::{Base, Change, RepoSpec},
    policy::PolicyInfo,
    release::{DeploymentConfig, DeploymentTarget, PublishConfig},
    tenant::JobRef,
    time::Timestamp,
    traits::Signer as _,
};
use serde_json::json;

pub(crate) const GATE: &str = "https://ci.example.org/gate";
pub(crate) const BUILDER: &str = "https://ci.example.org/architect";

/// The signer of the published test vector: its seed is the SHA-256 of a sentence.
pub(crate) fn signer() -> Ed25519Signer {
    Ed25519Signer::from_seed(*Digest::of("matrix-architect test key").as_bytes())
}

pub(crate) fn stranger() -> Ed25519Signer {
    Ed25519Signer::from_seed(*Digest::of("somebody else").as_bytes())
}

pub(crate) fn trusted() -> TrustedKey {
    TrustedKey::of(&signer().key()).unwrap()
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn bundle() -> Digest {
    Digest::of("the bundle")
}

pub(crate) fn subject() -> Subject {
    Subject::new("bundle", bundle())
}

pub(crate) fn job() -> JobRef {
    JobRef::new(TenantId::new("acme").unwrap(), JobId::new("job_1").unwrap())
}

pub(crate) fn claim() -> ReleaseClaim {
    ReleaseClaim {
        job: job(),
        generation: 2,
        bundle: bundle(),
        plan_hash: Digest::of("plan"),
        patch_hash: Digest::of("patch"),
        evidence: Digest::of("evidence"),
        binding: Digest::of("binding"),
    }
}

pub(crate) fn policy() -> PolicyInfo {
    PolicyInfo { uri: "urn:matrix-architect:policy:rules".into(), digest: Digest::of("rules") }
}

pub(crate) fn grant(by: &str) -> Grant {
    Grant {
        id: ApprovalId::new("apr_1").unwrap(),
        binding: claim().binding,
        generation: 2,
        by: PrincipalId::new(by).unwrap(),
        comment: Some("fine by me".into()),
    }
}

pub(crate) fn evidence(result: CheckResult) -> Evidence {
    let mut evidence =
        Evidence::new(EvidenceKind::TestResults, "rust.test", result, at("2026-01-01T10:01:00Z"))
            .summary("57 passed, 1 failed")
            .detail("command", "cargo test");
    evidence.artifacts.push(Digest::of("raw report"));
    evidence.findings.push(Finding {
        name: "sums::overflow".into(),
        message: "attempt to add with overflow".into(),
        file: Some("src/sums.rs".into()),
        line: Some(12),
        preexisting: false,
    });
    evidence
}

pub(crate) fn record() -> JobRecord {
    let spec = JobSpec {
        repo: RepoSpec::Git {
            url: "https://git.example.org/app.git".into(),
            reference: Some("main".into()),
            subfolder: None,
            credentials: Some("env://GIT_TOKEN".parse().unwrap()),
            submodules: false,
        },
        goal: "Say good morning".into(),
        change: Change::Branch("morning".into()),
        verify_commands: vec!["true".into()],
        constraints: JobConstraints::default(),
        deployments: vec![DeploymentConfig {
            target: DeploymentTarget::Vm,
            environment: "production".into(),
            namespace: None,
            config: [("password".to_owned(), json!("hunter2"))].into(),
        }],
        publish: vec![PublishConfig { driver: "git".into(), config: [].into() }],
        priority: Priority::Normal,
        labels: [].into(),
        idempotency_key: None,
    };
    let at = at("2026-01-01T10:00:00Z");
    let requested_by = PrincipalId::new("ada").unwrap();
    let mut record = JobRecord::new(&NewJob { job: job(), spec, requested_by, at });
    record.job.started_at = Some(at);
    record.job.base = Some(Base {
        commit: Some(GitOid::new("0123456789abcdef0123456789abcdef01234567").unwrap()),
        branch: Some("main".into()),
        tree: Digest::of("tree"),
    });
    record.job.evidence.push(evidence(CheckResult::Passed));
    let stored = (Digest::of("raw report"), 10);
    let report = Artifact::new(ArtifactKind::Report, "rust.test.log", "text/plain", stored, at);
    record.job.artifacts.push(report);
    record.state.refs.plan_hash = Some(Digest::of("plan"));
    record.state.refs.patch_hash = Some(Digest::of("patch"));
    record.state.refs.evidence = Some(Digest::of("evidence"));
    record.state.refs.summary = Some(Digest::of("summary"));
    record
}

pub(crate) fn provenance() -> Statement {
    let finished = at("2026-01-01T10:02:00.5Z");
    let provenance = Provenance::of(&record(), Builder::new(BUILDER), finished).unwrap();
    provenance.statement([subject()]).unwrap()
}

pub(crate) fn summary() -> Statement {
    let grants = [grant("grace"), grant("edsger")];
    let at = at("2026-01-01T10:01:30Z");
    let summary = Summary::passed(&claim(), GATE, &policy(), &grants, at).unwrap();
    summary.statement(&claim()).unwrap()
}

pub(crate) fn failed_summary() -> Statement {
    let summary = Summary::failed(&claim(), GATE, &policy(), at("2026-01-01T10:01:30Z"));
    summary.statement(&claim()).unwrap()
}

pub(crate) fn test_result(result: CheckResult) -> Statement {
    TestResult::of(&evidence(result)).unwrap().statement([subject()]).unwrap()
}

/// Signs as the trusted signer does.
pub(crate) fn signed(statement: &Statement) -> Envelope {
    signed_by(&signer(), statement)
}

pub(crate) fn signed_by(signer: &Ed25519Signer, statement: &Statement) -> Envelope {
    sign(signer, statement).now_or_never().unwrap().unwrap()
}

/// Signs any payload as the trusted signer would.
pub(crate) fn signed_bytes(payload_type: &str, payload: &[u8]) -> Envelope {
    sign_bytes(&signer(), payload_type, payload).now_or_never().unwrap().unwrap()
}

/// A raw Ed25519 signature over exactly these bytes.
pub(crate) fn raw_signature(message: &[u8]) -> Vec<u8> {
    signer().sign(message).now_or_never().unwrap().unwrap()
}

pub(crate) fn key() -> matrix_architect_core::traits::KeyInfo {
    signer().key()
}
