//! One change on its way through the pipeline, as clients see it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    artifact::Artifact,
    attestation::Attestation,
    error::{Error, Result},
    evidence::Evidence,
    failure::Failure,
    id::{JobId, PrincipalId, TenantId, WorkerId},
    pipeline::Stage,
    plan::{Base, Change, Plan, RepoSpec, StepExecution},
    policy::PolicyGate,
    release::{DeploymentConfig, Publication, PublishConfig, Release},
    tenant::JobRef,
    time::Timestamp,
    userinfo,
};

/// A job's status as clients know it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobStatus {
    /// Waiting for a worker.
    #[default]
    Queued,
    /// In PLAN.
    Planning,
    /// In PATCH.
    Patching,
    /// In VERIFY.
    Verifying,
    /// In GATE.
    Gating,
    /// Waiting for somebody to agree.
    WaitingApproval,
    /// In DEPLOY.
    Deploying,
    /// In PUBLISH.
    Publishing,
    /// Being undone.
    RollingBack,
    /// Could not be undone; a person has to look.
    NeedsOperator,
    /// All six stages are done.
    Succeeded,
    /// It ended without its effect.
    Failed,
    /// It was stopped.
    Aborted,
}

impl JobStatus {
    /// Whether nothing will happen to the job any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Aborted)
    }

    /// The status' name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Planning => "planning",
            Self::Patching => "patching",
            Self::Verifying => "verifying",
            Self::Gating => "gating",
            Self::WaitingApproval => "waiting_approval",
            Self::Deploying => "deploying",
            Self::Publishing => "publishing",
            Self::RollingBack => "rolling_back",
            Self::NeedsOperator => "needs_operator",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }
}

/// How soon a job is wanted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before all others of the tenant.
    High,
    /// In turn.
    #[default]
    Normal,
    /// When nothing else waits.
    Low,
}

impl Priority {
    /// 0 for high, 1 for normal, 2 for low: the order in which jobs are taken.
    pub const fn rank(self) -> u8 {
        self as u8
    }

    /// The priority's name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

/// What becomes of a deployment when publishing fails after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnPublishFailure {
    /// The release stays live.
    #[default]
    Keep,
    /// The release is rolled back.
    RollBack,
}

/// What the requester demands of a job. Every field has an effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the wire form of the seed system")]
pub struct JobConstraints {
    /// Seconds from the first start to the end, waits for approval not counted.
    pub max_duration: u64,
    /// A job without a passed test suite fails at VERIFY.
    pub require_tests: bool,
    /// A job without a passed build fails at VERIFY.
    pub require_build: bool,
    /// Breaking changes of a public interface need no approval.
    pub allow_breaking_changes: bool,
    /// Added lines are scanned for secrets and for text that deceives readers. Without it the
    /// built-in policy asks for approval.
    pub security_scan: bool,
    /// Percent of lines the tests must reach; a job without a coverage report then fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage_threshold: Option<f64>,
    /// Attempts of one stage before the job fails.
    pub max_attempts: u32,
    /// What becomes of a deployment when publishing fails after it.
    pub on_publish_failure: OnPublishFailure,
    /// Always ask for this many approvals, whatever the policy says.
    pub min_approvals: u32,
    /// Seconds an approval may be waited for.
    pub approval_timeout: u64,
}

impl Default for JobConstraints {
    fn default() -> Self {
        Self {
            max_duration: 3600,
            require_tests: true,
            require_build: false,
            allow_breaking_changes: false,
            security_scan: true,
            coverage_threshold: None,
            max_attempts: 3,
            on_publish_failure: OnPublishFailure::Keep,
            min_approvals: 0,
            approval_timeout: 7 * 24 * 3600,
        }
    }
}

/// What a requester submits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Where the code comes from.
    pub repo: RepoSpec,
    /// What the change is for.
    pub goal: String,
    /// The change.
    pub change: Change,
    /// Commands added to VERIFY, each by `sh -c`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify_commands: Vec<String>,
    /// What is demanded.
    #[serde(default)]
    pub constraints: JobConstraints,
    /// Where it is deployed, in order; nowhere if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployments: Vec<DeploymentConfig>,
    /// Where it is published, in order; the irreversible publisher last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<PublishConfig>,
    /// How soon it is wanted.
    #[serde(default)]
    pub priority: Priority,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// A second submission with the same key and content is the same job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
}

impl JobSpec {
    /// Checks what can be checked before anything runs.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let wrong =
            |field, message: &'static str| Err(Error::invalid(message).context("field", field));
        if self.goal.trim().is_empty() || self.goal.len() > 10_000 {
            return wrong("goal", "the goal is empty or longer than 10,000 bytes");
        }
        if self.repo.has_credentials() {
            // The URL is not repeated.
            return Err(Error::invalid("the URL holds credentials")
                .context("field", "repo.url")
                .advice("name them by reference in repo.credentials, such as env://GIT_TOKEN"));
        }
        self.refuse_credentials()?;
        if let Change::Plan(plan) = &self.change {
            plan.validate()?;
        }
        if self.constraints.max_duration == 0 || self.constraints.max_attempts == 0 {
            return wrong("constraints", "max_duration and max_attempts must be at least 1");
        }
        let threshold = self.constraints.coverage_threshold;
        if threshold.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
            return wrong("constraints.coverage_threshold", "not a percentage");
        }
        if self.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > 255) {
            return wrong("idempotency_key", "empty or longer than 255 bytes");
        }
        let names: std::collections::BTreeSet<_> =
            self.deployments.iter().map(DeploymentConfig::name).collect();
        if names.len() != self.deployments.len() {
            return wrong(
                "deployments",
                "two deployments have the same driver, environment and service",
            );
        }
        Ok(())
    }

    /// No secret is stored with the settings of a driver. The URL is not repeated.
    fn refuse_credentials(&self) -> Result<()> {
        let deployments = self.deployments.iter().map(|one| &one.config).enumerate();
        let publish = self.publish.iter().map(|one| &one.config).enumerate();
        let all = deployments.map(|one| ("deployments", one));
        for (list, (number, settings)) in all.chain(publish.map(|one| ("publish", one))) {
            if let Some(place) = userinfo::place(settings) {
                return Err(Error::invalid("a URL in a driver's settings holds credentials")
                    .code("credentials_in_url")
                    .context("field", format!("{list}[{number}].config{place}"))
                    .advice(
                        "take them out and name a secret by reference, such as env://GIT_TOKEN",
                    ));
            }
        }
        Ok(())
    }
}

/// A job to be created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewJob {
    /// Which job, named by the caller.
    pub job: JobRef,
    /// What is asked for.
    pub spec: JobSpec,
    /// Who asks.
    pub requested_by: PrincipalId,
    /// When.
    pub at: Timestamp,
}

/// A job as clients see it: the fold of its events with names of the seed system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Which job.
    pub id: JobId,
    /// Whose.
    pub tenant: TenantId,
    /// Where it stands.
    pub status: JobStatus,
    /// The stage it is in or waits for; the last one reached when it has ended.
    pub current_stage: Option<Stage>,
    /// Where the code comes from.
    pub repo: RepoSpec,
    /// What the change is for.
    pub goal: String,
    /// The plan, once PLAN has resolved it.
    pub plan: Option<Plan>,
    /// The commit the plan stands on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
    /// How often it has been planned, from 1.
    pub generation: u32,
    /// The gate's word.
    pub gate: Option<PolicyGate>,
    /// What it left behind.
    pub artifacts: Vec<Artifact>,
    /// What was checked.
    pub evidence: Vec<Evidence>,
    /// How the plan's steps went.
    pub step_executions: Vec<StepExecution>,
    /// Where it is deployed first.
    pub deployment_config: Option<DeploymentConfig>,
    /// All places it is deployed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deployments: Vec<DeploymentConfig>,
    /// Where it is published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<PublishConfig>,
    /// What is live because of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<Release>,
    /// What was published.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publications: Vec<Publication>,
    /// The signed statement of it all.
    pub attestation: Option<Attestation>,
    /// What is demanded of it.
    pub constraints: JobConstraints,
    /// Why it failed, in a sentence.
    pub error: Option<String>,
    /// Why it failed, for machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it first ran.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// Who runs it or ran it last.
    pub worker_id: Option<WorkerId>,
    /// Attempts of stages beyond the first.
    pub retry_count: u32,
    /// How soon it is wanted.
    pub priority: Priority,
    /// Words to find it by.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The requester's key against doubles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// Who asked.
    pub requested_by: PrincipalId,
}

impl Job {
    /// The job with its tenant.
    pub fn reference(&self) -> JobRef {
        JobRef::new(self.tenant.clone(), self.id.clone())
    }

    /// The job before anything has happened.
    pub fn new(new: &NewJob) -> Self {
        let NewJob { job, spec, requested_by, at } = new;
        Self {
            id: job.id.clone(),
            tenant: job.tenant.clone(),
            status: JobStatus::Queued,
            current_stage: Some(Stage::Plan),
            repo: spec.repo.clone(),
            goal: spec.goal.clone(),
            plan: None,
            base: None,
            generation: 1,
            gate: None,
            artifacts: Vec::new(),
            evidence: Vec::new(),
            step_executions: Vec::new(),
            deployment_config: spec.deployments.first().cloned(),
            deployments: spec.deployments.clone(),
            publish: spec.publish.clone(),
            releases: Vec::new(),
            publications: Vec::new(),
            attestation: None,
            constraints: spec.constraints.clone(),
            error: None,
            failure: None,
            created_at: *at,
            started_at: None,
            completed_at: None,
            worker_id: None,
            retry_count: 0,
            priority: spec.priority,
            labels: spec.labels.clone(),
            idempotency_key: spec.idempotency_key.clone(),
            requested_by: requested_by.clone(),
        }
    }

    /// The evidence of that name.
    pub fn evidence_named(&self, name: &str) -> Option<&Evidence> {
        self.evidence.iter().find(|evidence| evidence.name == name)
    }

    /// The artifact of that name.
    pub fn artifact_named(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|artifact| artifact.name == name)
    }
}
