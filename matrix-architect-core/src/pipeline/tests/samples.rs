//! One of each kind of event, and states to try them on.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    artifact::{Artifact, ArtifactKind},
    attest::{Envelope, Signature},
    attestation::Attestation,
    event::{ApprovalRequest, Event, Grant, Resolution, StageOutput},
    evidence::{CheckResult, Evidence, EvidenceKind},
    failure::Failure,
    id::{ApprovalId, Digest, JobId, PrincipalId, TenantId, WorkerId},
    job::{JobConstraints, JobSpec, NewJob, Priority},
    pipeline::{JobState, Stage},
    plan::{Base, Change, Plan, RepoSpec, StepExecution, StepStatus},
    policy::PolicyGate,
    release::{DeploymentConfig, DeploymentTarget, Fencing, Publication, Release, ReleaseRef},
    tenant::JobRef,
    time::Timestamp,
};

pub(super) const NOW: Timestamp = Timestamp::from_micros(1_735_725_600_000_000);
pub(super) const TARGET: &str = "systemd/staging/app";

pub(super) fn digest(text: &str) -> Digest {
    Digest::of(text)
}

pub(super) fn later(seconds: u64) -> Timestamp {
    NOW + Duration::from_secs(seconds)
}

fn principal(name: &str) -> PrincipalId {
    PrincipalId::new(name).unwrap()
}

pub(super) fn new_job() -> NewJob {
    let deployment = DeploymentConfig {
        target: DeploymentTarget::Vm,
        environment: "staging".to_owned(),
        namespace: None,
        config: BTreeMap::new(),
    };
    NewJob {
        job: JobRef::new(TenantId::default(), JobId::from_number(7)),
        spec: JobSpec {
            repo: RepoSpec::Local { path: "/r".to_owned(), reference: None, subfolder: None },
            goal: "try the rules".to_owned(),
            change: Change::Goal,
            verify_commands: Vec::new(),
            constraints: JobConstraints { max_attempts: 2, ..JobConstraints::default() },
            deployments: vec![deployment],
            publish: Vec::new(),
            priority: Priority::Normal,
            labels: BTreeMap::new(),
            idempotency_key: None,
        },
        requested_by: principal("author"),
        at: NOW,
    }
}

pub(super) fn state() -> JobState {
    JobState::new(&new_job())
}

pub(super) fn request(generation: u32) -> ApprovalRequest {
    ApprovalRequest {
        id: ApprovalId::from_number(u128::from(generation)),
        binding: digest("binding"),
        generation,
        required: 1,
        expires_at: later(3600),
        gate: Box::new(gate(true)),
    }
}

pub(super) fn grant(generation: u32, by: &str) -> Grant {
    Grant {
        id: ApprovalId::from_number(u128::from(generation)),
        binding: digest("binding"),
        generation,
        by: principal(by),
        comment: None,
    }
}

fn gate(asked: bool) -> PolicyGate {
    PolicyGate { allowed: true, requires_guardian_approval: asked, ..PolicyGate::default() }
}

pub(super) fn release() -> Release {
    Release {
        reference: ReleaseRef {
            driver: "systemd".to_owned(),
            environment: "staging".to_owned(),
            service: "app".to_owned(),
            version: "v1".to_owned(),
        },
        previous: None,
        changed: true,
        uri: None,
        fencing: Fencing::Target,
        health: None,
        at: NOW,
    }
}

pub(super) fn output(stage: Stage, asked: bool) -> StageOutput {
    match stage {
        Stage::Plan => StageOutput::Plan {
            plan: Box::new(Plan::default()),
            plan_hash: digest("plan"),
            base: Base { commit: None, branch: None, tree: digest("tree") },
        },
        Stage::Patch => StageOutput::Patch {
            patch_hash: digest("patch"),
            patch: digest("stored patch"),
            tree: digest("patched"),
        },
        Stage::Verify => {
            StageOutput::Verify { evidence: digest("evidence"), bundle: digest("bundle") }
        }
        Stage::Gate => StageOutput::Gate {
            gate: Box::new(gate(asked)),
            binding: digest("binding"),
            summary: digest("summary"),
        },
        Stage::Deploy => StageOutput::Deploy {},
        Stage::Publish => StageOutput::Publish { attestation: Box::new(attestation()) },
    }
}

fn attestation() -> Attestation {
    Attestation {
        job_id: JobId::from_number(7),
        completed_at: NOW,
        plan_hash: digest("plan"),
        patch_hash: digest("patch"),
        evidence: Vec::new(),
        artifacts: Vec::new(),
        signed_by: "key".to_owned(),
        signature: "sig".to_owned(),
        envelope: Envelope {
            payload: String::new(),
            payload_type: String::new(),
            signatures: vec![Signature { keyid: String::new(), sig: String::new() }],
        },
    }
}

fn worker() -> WorkerId {
    WorkerId::from_number(1)
}

fn failure() -> Failure {
    Failure::new("broken", "it broke")
}

/// One event of every kind, and of every stage where it has one.
#[expect(clippy::too_many_lines, reason = "a list of all of them")]
pub(super) fn events(generation: u32) -> Vec<Event> {
    let mut events = Vec::new();
    for stage in Stage::ALL {
        events.push(Event::Started { stage, worker: worker() });
        events.push(Event::Finished(output(stage, false)));
        events.push(Event::AttemptFailed {
            stage: Some(stage),
            failure: failure(),
            retry_at: later(5),
        });
        events.push(Event::Failed { stage, failure: failure() });
        events.push(Event::Stopped { stage });
    }
    events.push(Event::Finished(output(Stage::Gate, true)));
    events.push(Event::AttemptFailed { stage: None, failure: failure(), retry_at: later(5) });
    let id = ApprovalId::from_number(u128::from(generation));
    let target = || TARGET.to_owned();
    events.extend([
        Event::WorkerLost { worker: Some(worker()) },
        Event::CancelRequested { reason: None },
        Event::DeadlineExceeded,
        Event::ApprovalRequested(request(generation)),
        Event::ApprovalGranted(grant(generation, "reviewer")),
        Event::ApprovalGranted(grant(generation, "author")),
        Event::ApprovalRefused { id: id.clone(), by: principal("reviewer"), comment: None },
        Event::ApprovalExpired { id },
        Event::Replanned { reason: "the base moved".to_owned() },
        Event::TargetIntended { target: target() },
        Event::TargetApplied { target: target(), release: release() },
        Event::TargetUndone { target: target(), release: None },
        Event::RollbackStarted { worker: worker() },
        Event::RolledBack,
        Event::RollbackFailed { failure: failure() },
        Event::OperatorResolved { resolution: Resolution::RetryRollback },
        Event::OperatorResolved { resolution: Resolution::Accept },
        Event::StepIntended { step: "switch".to_owned() },
        Event::StepDone { step: "switch".to_owned(), digest: digest("done") },
        Event::EvidenceRecorded(Box::new(Evidence::new(
            EvidenceKind::TestResults,
            "tests",
            CheckResult::Passed,
            NOW,
        ))),
        Event::StepReported(StepExecution {
            step_id: "1".to_owned(),
            status: StepStatus::Running,
            started_at: None,
            completed_at: None,
            error: None,
            artifacts: Vec::new(),
        }),
        Event::ArtifactRecorded(Artifact::new(
            ArtifactKind::Log,
            "log",
            "text/plain",
            (digest("log"), 3),
            NOW,
        )),
        Event::Published(Publication {
            driver: "directory".to_owned(),
            uri: "file:///p".to_owned(),
            revision: "r".to_owned(),
            changed: true,
            at: NOW,
        }),
    ]);
    events
}

/// A short name that tells two events of one kind apart.
pub(super) fn name(event: &Event) -> String {
    let detail = match event {
        Event::Started { stage, .. }
        | Event::Failed { stage, .. }
        | Event::Stopped { stage }
        | Event::AttemptFailed { stage: Some(stage), .. } => stage.to_string(),
        Event::AttemptFailed { stage: None, .. } => "rollback".to_owned(),
        Event::Finished(StageOutput::Gate { gate, .. }) if gate.requires_guardian_approval => {
            "GATE with consent".to_owned()
        }
        Event::Finished(output) => output.stage().to_string(),
        Event::ApprovalGranted(grant) => format!("by {}", grant.by),
        Event::OperatorResolved { resolution } => format!("{resolution:?}"),
        _ => return event.kind().to_owned(),
    };
    format!("{} {detail}", event.kind())
}
