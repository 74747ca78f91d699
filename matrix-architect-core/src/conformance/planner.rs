//! Plans of goals: every promise of [`Planner`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use super::Serves;
use crate::{
    error::{ErrorKind, Result},
    fake::MemoryTree,
    id::TenantId,
    plan::RepoSpec,
    traits::{Cancel, PlanRequest, Planner},
};

/// Expands to one test per promise of [`Planner`](crate::traits::Planner). The expression makes a
/// harness that serves `dyn Planner`, which can plan a change to a README.
#[macro_export]
macro_rules! planner_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            planner,
            $harness,
            [a_returned_plan_is_valid, a_cancelled_request_ends]
        );
    };
}

async fn plan(planner: &dyn Planner, cancel: &Cancel) -> Result<crate::plan::Plan> {
    let tenant = TenantId::default();
    let tree = MemoryTree::new([("README.md", "# Greeter\n")])?;
    let repo = RepoSpec::Local { path: "/srv/code".to_owned(), reference: None, subfolder: None };
    let goal = "Say in README.md what the project is for";
    planner.plan(&PlanRequest::new(&tenant, goal, &repo, &tree, cancel)).await
}

/// Promise 1.
pub async fn a_returned_plan_is_valid(harness: impl Serves<dyn Planner>) -> Result<()> {
    plan(harness.backend().as_ref(), &Cancel::new()).await?.validate()
}

/// Promise 2.
pub async fn a_cancelled_request_ends(harness: impl Serves<dyn Planner>) -> Result<()> {
    let cancel = Cancel::new();
    cancel.cancel();
    let error = plan(harness.backend().as_ref(), &cancel).await.expect_err("it was cancelled");
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    Ok(())
}
