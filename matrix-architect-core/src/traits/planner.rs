//! Making a plan from a goal.

use std::fmt::Debug;

use async_trait::async_trait;

use super::{Cancel, Tree};
use crate::{
    error::Result,
    id::TenantId,
    plan::{Plan, RepoSpec},
};

/// What is to be planned.
#[derive(Debug)]
#[non_exhaustive]
pub struct PlanRequest<'a> {
    /// For whom.
    pub tenant: &'a TenantId,
    /// What the change is for.
    pub goal: &'a str,
    /// Where the code comes from.
    pub repo: &'a RepoSpec,
    /// The code.
    pub base: &'a dyn Tree,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

impl<'a> PlanRequest<'a> {
    /// A request of all its parts.
    pub fn new(
        tenant: &'a TenantId,
        goal: &'a str,
        repo: &'a RepoSpec,
        base: &'a dyn Tree,
        cancel: &'a Cancel,
    ) -> Self {
        Self { tenant, goal, repo, base, cancel }
    }
}

/// Makes a plan from a goal. What it returns is untrusted input like any other plan.
///
/// # Contract
/// 1. `a_returned_plan_is_valid`: it passes [`Plan::validate`].
/// 2. `a_cancelled_request_ends` with `Cancelled`.
///
/// # Idempotence
/// A second call may return another plan.
///
/// # Cancellation
/// Looks at its request's `Cancel`; may also be dropped.
#[async_trait]
pub trait Planner: Debug + Send + Sync + 'static {
    /// Makes a plan.
    async fn plan(&self, request: &PlanRequest<'_>) -> Result<Plan>;
}
