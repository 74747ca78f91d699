//! A policy that always says the same.

use crate::{
    id::Digest,
    policy::{Decision, PolicyInfo, PolicyInput, RiskScore, Verdict},
    traits::Policy,
};

/// A policy that always decides the same.
#[derive(Clone, Debug)]
pub struct FixedPolicy {
    decision: Decision,
    approvals: u32,
}

impl FixedPolicy {
    /// Decides so.
    pub const fn new(decision: Decision) -> Self {
        let approvals = matches!(decision, Decision::RequireApproval) as u32;
        Self { decision, approvals }
    }

    /// Asks for so many approvals.
    #[must_use]
    pub const fn approvals(mut self, count: u32) -> Self {
        self.approvals = count;
        self
    }
}

impl Policy for FixedPolicy {
    fn info(&self) -> PolicyInfo {
        let digest = Digest::of(format!("{:?} {}", self.decision, self.approvals));
        PolicyInfo { uri: "urn:matrix-architect:policy:fixed".to_owned(), digest }
    }

    fn judge(&self, _input: &PolicyInput<'_>) -> Verdict {
        Verdict {
            decision: self.decision,
            risk: RiskScore::default(),
            reasons: vec![format!("the policy always says {:?}", self.decision)],
            approvals: self.approvals,
        }
    }
}
