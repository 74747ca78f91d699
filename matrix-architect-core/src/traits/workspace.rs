//! Getting at the code and changing it.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{ByteStream, Cancel, SecretStore, Tree};
use crate::{
    error::Result,
    id::{GitOid, TenantId},
    patch::Patch,
    plan::{Change, Plan, RepoSpec},
};

/// What is to be checked out.
#[derive(Debug)]
#[non_exhaustive]
pub struct CheckoutRequest<'a> {
    /// For whom.
    pub tenant: &'a TenantId,
    /// From where.
    pub repo: &'a RepoSpec,
    /// Where credentials are found.
    pub secrets: &'a dyn SecretStore,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

impl<'a> CheckoutRequest<'a> {
    /// A request of all its parts.
    pub fn new(
        tenant: &'a TenantId,
        repo: &'a RepoSpec,
        secrets: &'a dyn SecretStore,
        cancel: &'a Cancel,
    ) -> Self {
        Self { tenant, repo, secrets, cancel }
    }
}

/// What was checked out.
#[derive(Clone, Debug)]
pub struct Checkout {
    /// The commit; `None` for a plain folder.
    pub commit: Option<GitOid>,
    /// The branch the reference named, if it named one.
    pub branch: Option<String>,
    /// Whether the repository is a work tree whose tracked files differ from the commit: those
    /// edits are no part of the tree.
    pub uncommitted: bool,
    /// The files.
    pub tree: Arc<dyn Tree>,
}

/// What came of applying a plan.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What changed.
    pub patch: Patch,
    /// The changed tree.
    pub tree: Arc<dyn Tree>,
}

/// Where code is fetched, unpacked and changed.
///
/// # Contract
/// 1. `checkout` runs nothing of the repository: no hook, no filter, no configuration of it.
/// 2. `resolve` fills in every precondition and refuses an operation that cannot apply to the base.
/// 3. `apply` is all or nothing: on any error the base is as it was and no half-changed tree is
///    left.
/// 4. `apply` never follows a symbolic link, never leaves the tree and never touches Git's own
///    folder, whatever the plan says.
/// 5. `unpack` of a packed tree yields an equal tree; anything in it that leaves the tree is
///    refused.
/// 6. Trees are removed from disk when their last handle is dropped.
/// 7. `apply` refuses an operation without a precondition.
/// 8. `resolve` of a goal alone is `Unsupported`: that takes a planner.
///
/// # Cancellation
/// `checkout` looks at its request's `Cancel`; the other calls are short and may be dropped.
#[async_trait]
pub trait Workspace: Debug + Send + Sync + 'static {
    /// Checks the code out.
    async fn checkout(&self, request: &CheckoutRequest<'_>) -> Result<Checkout>;

    /// Which commit the reference names right now; `None` for a plain folder.
    async fn head(&self, request: &CheckoutRequest<'_>) -> Result<Option<GitOid>>;

    /// Turns a plan, a diff or a branch into a plan with all preconditions, on this base.
    async fn resolve(
        &self,
        request: &CheckoutRequest<'_>,
        base: &Checkout,
        change: &Change,
    ) -> Result<Plan>;

    /// Applies a resolved plan to a copy of the tree.
    async fn apply(&self, base: &dyn Tree, plan: &Plan) -> Result<Applied>;

    /// Unpacks a packed tree.
    async fn unpack(&self, packed: ByteStream) -> Result<Arc<dyn Tree>>;
}
