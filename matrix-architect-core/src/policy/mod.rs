//! Whether a change may go on by itself.
//!
//! [`RulePolicy`] looks at the patch, the evidence and the targets for known signals of risk. A
//! signal has points and a floor; the risk is the highest floor or what the points add up to. What
//! could not be read counts as risk, never as its absence.

mod binding;
mod diff;
mod risk;
mod rules;
mod signals;

use serde::{Deserialize, Serialize};

pub use binding::binding;
pub use risk::{RiskLevel, RiskScore, Signal, Thresholds};
pub use rules::{Approvals, RulePolicy, Rules};
pub use signals::{Globs, SignalKind, SizeSteps, Weight};

use crate::{
    evidence::Evidence,
    id::{Digest, PrincipalId},
    job::JobConstraints,
    patch::Patch,
    plan::Plan,
    release::DeploymentConfig,
};

/// What a policy looks at.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PolicyInput<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The patch as applied.
    pub patch: &'a Patch,
    /// All evidence of this generation.
    pub evidence: &'a [Evidence],
    /// The requester's constraints.
    pub constraints: &'a JobConstraints,
    /// Where it would be deployed.
    pub deployments: &'a [DeploymentConfig],
    /// Who asked.
    pub requested_by: &'a PrincipalId,
}

impl<'a> PolicyInput<'a> {
    /// An input of all its parts.
    pub const fn new(
        plan: &'a Plan,
        patch: &'a Patch,
        evidence: &'a [Evidence],
        constraints: &'a JobConstraints,
        deployments: &'a [DeploymentConfig],
        requested_by: &'a PrincipalId,
    ) -> Self {
        Self { plan, patch, evidence, constraints, deployments, requested_by }
    }
}

/// What a policy decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may go on.
    Allow,
    /// It may go on once enough others have agreed.
    RequireApproval,
    /// It may not go on.
    Deny,
}

/// A policy's decision with its reasons.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// What it decides.
    pub decision: Decision,
    /// The risk, with every contribution.
    pub risk: RiskScore,
    /// Why, for people.
    pub reasons: Vec<String>,
    /// How many distinct approvals are needed; 0 unless the decision is to require approval.
    pub approvals: u32,
}

/// Which policy decided, for evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyInfo {
    /// The policy's URI.
    pub uri: String,
    /// The digest of its rules: an approval dies when the policy changes.
    pub digest: Digest,
}

/// The gate's word on the wire.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyGate {
    /// Whether the job may go on.
    pub allowed: bool,
    /// How risky it is.
    pub risk: RiskLevel,
    /// Why.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// Whether somebody has to agree.
    #[serde(default)]
    pub requires_guardian_approval: bool,
    /// The open or answered question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<crate::id::ApprovalId>,
    /// Who agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved_at: Option<crate::time::Timestamp>,
    /// The score, 0 to 100, with every contribution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<RiskScore>,
}
