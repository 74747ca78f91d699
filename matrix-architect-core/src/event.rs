//! What happened to a job. Events are the only truth: a job is their fold, and they are the audit
//! trail and the input of its attestation.

use serde::{Deserialize, Serialize};

use crate::{
    artifact::Artifact,
    attestation::Attestation,
    evidence::Evidence,
    failure::Failure,
    id::{ApprovalId, Digest, PrincipalId, WorkerId},
    pipeline::Stage,
    plan::{Base, Plan, StepExecution},
    policy::PolicyGate,
    release::{Publication, Release},
    time::Timestamp,
};

/// What a stage leaves for the next one. Small: content travels as artifacts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StageOutput {
    /// PLAN resolved the change on a base.
    Plan {
        /// The plan with every precondition filled in.
        plan: Box<Plan>,
        /// Its hash.
        plan_hash: Digest,
        /// What it stands on.
        base: Base,
    },
    /// PATCH applied it.
    Patch {
        /// The hash of what changed.
        patch_hash: Digest,
        /// The stored [`Patch`](crate::patch::Patch).
        patch: Digest,
        /// The packed tree after the patch.
        tree: Digest,
    },
    /// VERIFY let it pass; each check was recorded on its own.
    Verify {
        /// The digest of the set of evidence.
        evidence: Digest,
        /// What will be deployed.
        bundle: Digest,
    },
    /// GATE signed the verification summary.
    Gate {
        /// The gate's word.
        gate: Box<PolicyGate>,
        /// What the decision was about: see [`ApprovalRequest`].
        binding: Digest,
        /// The stored, signed summary.
        summary: Digest,
    },
    /// DEPLOY put it everywhere; each target was recorded on its own.
    Deploy {},
    /// PUBLISH made it public and signed the attestation.
    Publish {
        /// The signed statement of the job.
        attestation: Box<Attestation>,
    },
}

impl StageOutput {
    /// The stage whose output it is.
    pub const fn stage(&self) -> Stage {
        match self {
            Self::Plan { .. } => Stage::Plan,
            Self::Patch { .. } => Stage::Patch,
            Self::Verify { .. } => Stage::Verify,
            Self::Gate { .. } => Stage::Gate,
            Self::Deploy {} => Stage::Deploy,
            Self::Publish { .. } => Stage::Publish,
        }
    }
}

/// A question to approvers. It binds to one digest over patch, plan, evidence set, policy and
/// deployments, and to one generation: any change of these kills it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRequest {
    /// Which question.
    pub id: ApprovalId,
    /// What it is about.
    pub binding: Digest,
    /// Of which generation.
    pub generation: u32,
    /// How many distinct principals must agree.
    pub required: u32,
    /// When it lapses.
    pub expires_at: Timestamp,
    /// The gate's word so far.
    pub gate: Box<PolicyGate>,
}

/// One principal's consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// To which question.
    pub id: ApprovalId,
    /// To what: the request's binding, repeated by whoever agreed.
    pub binding: Digest,
    /// Of which generation.
    pub generation: u32,
    /// Who agreed.
    pub by: PrincipalId,
    /// Their words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// How an operator resolved a job whose rollback failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// Try the rollback again.
    RetryRollback,
    /// It was put right by hand; end the job.
    Accept,
}

/// One thing that happened to a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A worker began a stage.
    Started {
        /// Which stage.
        stage: Stage,
        /// Which worker.
        worker: WorkerId,
    },
    /// A stage is done.
    Finished(StageOutput),
    /// An attempt failed in a way that may pass; the stage is tried again at `retry_at`.
    AttemptFailed {
        /// Which stage; `None` for the rollback.
        stage: Option<Stage>,
        /// Why.
        failure: Failure,
        /// When it is tried again.
        retry_at: Timestamp,
    },
    /// A stage failed for good.
    Failed {
        /// Which stage.
        stage: Stage,
        /// Why.
        failure: Failure,
    },
    /// The worker's lease ran out in the middle of something.
    WorkerLost {
        /// Which worker.
        worker: Option<WorkerId>,
    },
    /// Somebody wants the job to stop. A running stage sees it and answers with `Stopped`.
    CancelRequested {
        /// Why.
        reason: Option<String>,
    },
    /// A running stage saw the wish to stop and did.
    Stopped {
        /// Which stage.
        stage: Stage,
    },
    /// The job took longer than it may.
    DeadlineExceeded,
    /// GATE asks for consent.
    ApprovalRequested(ApprovalRequest),
    /// Somebody agreed.
    ApprovalGranted(Grant),
    /// Somebody refused.
    ApprovalRefused {
        /// Which question.
        id: ApprovalId,
        /// Who.
        by: PrincipalId,
        /// Their words.
        comment: Option<String>,
    },
    /// Nobody answered in time.
    ApprovalExpired {
        /// Which question.
        id: ApprovalId,
    },
    /// The plan is to be made anew, for instance because the base moved.
    Replanned {
        /// Why.
        reason: String,
    },
    /// A target is about to be touched.
    TargetIntended {
        /// The target's name within the job.
        target: String,
    },
    /// A target has the release.
    TargetApplied {
        /// The target's name within the job.
        target: String,
        /// What it has.
        release: Release,
    },
    /// A target is back at what it was.
    TargetUndone {
        /// The target's name within the job.
        target: String,
        /// What serves again.
        release: Option<Release>,
    },
    /// A worker began to undo the targets.
    RollbackStarted {
        /// Which worker.
        worker: WorkerId,
    },
    /// All targets are undone.
    RolledBack,
    /// A target could not be undone.
    RollbackFailed {
        /// Why.
        failure: Failure,
    },
    /// An operator looked at a job that could not be rolled back.
    OperatorResolved {
        /// What they decided.
        resolution: Resolution,
    },
    /// A deployer or publisher is about to do something it cannot do twice.
    StepIntended {
        /// The step's name.
        step: String,
    },
    /// It is done.
    StepDone {
        /// The step's name.
        step: String,
        /// What came of it.
        digest: Digest,
    },
    /// A check came out.
    EvidenceRecorded(Box<Evidence>),
    /// A step of the plan moved on.
    StepReported(StepExecution),
    /// Something was stored.
    ArtifactRecorded(Artifact),
    /// A publisher published.
    Published(Publication),
}

impl Event {
    /// The event's kind on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Finished(_) => "finished",
            Self::AttemptFailed { .. } => "attempt_failed",
            Self::Failed { .. } => "failed",
            Self::WorkerLost { .. } => "worker_lost",
            Self::CancelRequested { .. } => "cancel_requested",
            Self::Stopped { .. } => "stopped",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::ApprovalRequested(_) => "approval_requested",
            Self::ApprovalGranted(_) => "approval_granted",
            Self::ApprovalRefused { .. } => "approval_refused",
            Self::ApprovalExpired { .. } => "approval_expired",
            Self::Replanned { .. } => "replanned",
            Self::TargetIntended { .. } => "target_intended",
            Self::TargetApplied { .. } => "target_applied",
            Self::TargetUndone { .. } => "target_undone",
            Self::RollbackStarted { .. } => "rollback_started",
            Self::RolledBack => "rolled_back",
            Self::RollbackFailed { .. } => "rollback_failed",
            Self::OperatorResolved { .. } => "operator_resolved",
            Self::StepIntended { .. } => "step_intended",
            Self::StepDone { .. } => "step_done",
            Self::EvidenceRecorded(_) => "evidence_recorded",
            Self::StepReported(_) => "step_reported",
            Self::ArtifactRecorded(_) => "artifact_recorded",
            Self::Published(_) => "published",
        }
    }
}

/// Who made something happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "id", rename_all = "snake_case")]
pub enum Actor {
    /// A person, a machine account or a tool.
    Principal(PrincipalId),
    /// A worker under its lease.
    Worker(WorkerId),
    /// The system itself, by a timer or a lost lease.
    System,
}

/// An event as it is stored. Its bytes are hashed as stored and never rewritten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventEnvelope {
    /// The event's number within the job, from 1.
    pub seq: u64,
    /// When it was stored.
    pub at: Timestamp,
    /// Who made it happen.
    pub actor: Actor,
    /// The version of the event's form; an older one is upcast when it is read.
    pub v: u32,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}
