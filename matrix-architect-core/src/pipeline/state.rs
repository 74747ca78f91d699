//! All that the rules need to know of a job.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Phase, RULES_VERSION, Stage};
use crate::{
    event::{ApprovalRequest, Grant},
    failure::Failure,
    id::{Digest, PrincipalId},
    job::{JobConstraints, NewJob, OnPublishFailure},
    release::Release,
    time::Timestamp,
};

/// A job's state: the fold of its events. Small on purpose, for it is read at every claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobState {
    /// The version of the rules the job began with.
    pub rules: u32,
    /// Where it stands.
    pub phase: Phase,
    /// How often it has been planned, from 1.
    pub generation: u32,
    /// How often things went wrong.
    pub counters: Counters,
    /// How often they may.
    pub limits: Limits,
    /// Who asked for the change; the only principal who cannot approve it.
    pub requested_by: PrincipalId,
    /// Whether somebody wants it to stop.
    pub cancelling: bool,
    /// When the next attempt may begin.
    pub retry_at: Option<Timestamp>,
    /// When it must be done; not set before the first start or while it awaits approval.
    pub deadline: Option<Timestamp>,
    /// What was left of the deadline when it began to await approval.
    pub remaining: Option<Duration>,
    /// What the stages left, by digest.
    pub refs: Refs,
    /// The open or answered question of this generation.
    pub approval: Option<ApprovalState>,
    /// The targets in the order they are deployed.
    pub targets: Vec<TargetState>,
    /// How many targets DEPLOY must have applied before it is finished.
    pub targets_wanted: u32,
    /// How the job will end once its targets are undone, or how it ended.
    pub ending: Option<Ending>,
}

/// How often things went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Attempts of the current stage or rollback, counted when they begin.
    pub attempts: u32,
    /// Workers lost since the current stage or rollback first began.
    pub losses: u32,
    /// Attempts of all stages beyond the first.
    pub retries: u32,
}

/// How often things may go wrong, fixed when the job is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Attempts of one stage, and of a rollback.
    pub max_attempts: u32,
    /// Workers that may be lost in one stage: the change may be what kills them.
    pub max_losses: u32,
    /// Plans.
    pub max_generations: u32,
    /// From the first start to the end, waits for approval not counted.
    pub max_duration: Duration,
    /// What becomes of a deployment when publishing fails after it.
    pub on_publish_failure: OnPublishFailure,
}

impl Limits {
    /// The limits a job's constraints ask for.
    pub fn of(constraints: &JobConstraints) -> Self {
        Self {
            max_attempts: constraints.max_attempts.max(1),
            max_losses: 5,
            max_generations: 3,
            max_duration: Duration::from_secs(constraints.max_duration),
            on_publish_failure: constraints.on_publish_failure,
        }
    }
}

/// What the stages of this generation left, by digest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refs {
    /// The plan's hash.
    pub plan_hash: Option<Digest>,
    /// The packed source tree.
    pub base_tree: Option<Digest>,
    /// The patch's hash.
    pub patch_hash: Option<Digest>,
    /// The stored patch.
    pub patch: Option<Digest>,
    /// The packed tree after the patch.
    pub patched_tree: Option<Digest>,
    /// The set of evidence VERIFY let pass.
    pub evidence: Option<Digest>,
    /// What will be deployed.
    pub bundle: Option<Digest>,
    /// What the gate decided about: see [`ApprovalRequest`](crate::event::ApprovalRequest).
    pub binding: Option<Digest>,
    /// The stored, signed verification summary. No stage after GATE begins without it.
    pub summary: Option<Digest>,
}

/// The question of this generation and the consent to it so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalState {
    /// The question.
    pub request: ApprovalRequest,
    /// Who agreed.
    pub grants: Vec<(Grant, Timestamp)>,
}

impl ApprovalState {
    /// Whether enough distinct principals agreed.
    pub fn is_granted(&self) -> bool {
        u32::try_from(self.grants.len()).is_ok_and(|count| count >= self.request.required)
    }
}

/// How far a target is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", content = "release", rename_all = "snake_case")]
pub enum TargetStep {
    /// It was about to be touched: whether it was is not known.
    Intended,
    /// It has the release.
    Applied(Box<Release>),
    /// It is back at what it was.
    Undone,
}

/// One target of the job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetState {
    /// Its name within the job.
    pub name: String,
    /// How far it is.
    #[serde(flatten)]
    pub step: TargetStep,
}

/// How a job ends without success.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ending", content = "failure", rename_all = "snake_case")]
pub enum Ending {
    /// Something failed.
    Failed(Failure),
    /// Somebody stopped it.
    Cancelled,
}

impl JobState {
    /// A job that was just created.
    pub fn new(new: &NewJob) -> Self {
        Self {
            rules: RULES_VERSION,
            phase: Phase::Ready(Stage::Plan),
            generation: 1,
            counters: Counters::default(),
            limits: Limits::of(&new.spec.constraints),
            requested_by: new.requested_by.clone(),
            cancelling: false,
            retry_at: None,
            deadline: None,
            remaining: None,
            refs: Refs::default(),
            approval: None,
            targets: Vec::new(),
            targets_wanted: u32::try_from(new.spec.deployments.len()).unwrap_or(u32::MAX),
            ending: None,
        }
    }

    /// Whether any target may differ from what it was before the job.
    pub fn has_effects(&self) -> bool {
        self.targets.iter().any(|target| target.step != TargetStep::Undone)
    }

    /// How far the target of that name is.
    pub fn target(&self, name: &str) -> Option<&TargetStep> {
        self.targets.iter().find(|target| target.name == name).map(|target| &target.step)
    }
}
