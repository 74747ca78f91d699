//! One repository in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{MemoryTree, locked};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{Digest, GitOid},
    patch::{ChangeKind, FileChange, Patch},
    path::RelPath,
    plan::{Change, FileOp, FileOpKind, Plan, Precondition},
    traits::{Applied, ByteStream, Checkout, CheckoutRequest, Tree, Workspace},
};

/// One repository in memory, whose head can move. It takes plans, not diffs or branches.
#[derive(Debug)]
pub struct MemoryWorkspace {
    head: Mutex<(GitOid, MemoryTree)>,
}

impl MemoryWorkspace {
    /// A repository with one commit.
    pub fn new(commit: GitOid, tree: MemoryTree) -> Self {
        Self { head: Mutex::new((commit, tree)) }
    }

    /// Moves the head, as somebody else's push does.
    pub fn push(&self, commit: GitOid, tree: MemoryTree) {
        *locked(&self.head) = (commit, tree);
    }

    fn current(&self) -> (GitOid, MemoryTree) {
        locked(&self.head).clone()
    }
}

#[async_trait]
impl Workspace for MemoryWorkspace {
    async fn checkout(&self, request: &CheckoutRequest<'_>) -> Result<Checkout> {
        if request.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the checkout was stopped"));
        }
        let (commit, tree) = self.current();
        Ok(Checkout {
            commit: Some(commit),
            branch: Some("main".to_owned()),
            tree: Arc::new(tree),
            uncommitted: false,
        })
    }

    async fn head(&self, _request: &CheckoutRequest<'_>) -> Result<Option<GitOid>> {
        Ok(Some(self.current().0))
    }

    async fn resolve(
        &self,
        _request: &CheckoutRequest<'_>,
        base: &Checkout,
        change: &Change,
    ) -> Result<Plan> {
        let Change::Plan(plan) = change else {
            return Err(Error::new(ErrorKind::Unsupported, "the memory workspace takes plans"));
        };
        let mut plan = (**plan).clone();
        for op in plan.steps.iter_mut().flat_map(|step| &mut step.ops) {
            let found = base.tree.read(&RelPath::new(op.path.as_str())?).await?;
            let found = found
                .map_or(Precondition::Absent, |bytes| Precondition::Sha256(Digest::of(&bytes)));
            if op.expect.is_some_and(|expected| expected != found) {
                return Err(Error::new(ErrorKind::Conflict, "the file is not what was expected")
                    .context("path", &op.path));
            }
            op.expect = Some(found);
        }
        Ok(plan)
    }

    async fn apply(&self, base: &dyn Tree, plan: &Plan) -> Result<Applied> {
        let packed = base.pack().await?.collect(1 << 20).await?;
        let mut tree = MemoryTree::unpacked(&packed)?;
        let mut patch = Patch::default();
        for op in plan.operations() {
            patch.files.push(apply(&mut tree, op)?);
        }
        Ok(Applied { patch, tree: Arc::new(tree) })
    }

    async fn unpack(&self, packed: ByteStream) -> Result<Arc<dyn Tree>> {
        Ok(Arc::new(MemoryTree::unpacked(&packed.collect(1 << 20).await?)?))
    }
}

fn apply(tree: &mut MemoryTree, op: &FileOp) -> Result<FileChange> {
    let path = RelPath::new(op.path.as_str())?;
    let before = tree.get(&path).map(Digest::of);
    let kind = match (op.op, before) {
        (FileOpKind::Create, None) => ChangeKind::Added,
        (FileOpKind::Update, Some(_)) => ChangeKind::Modified,
        (FileOpKind::Delete, Some(_)) => ChangeKind::Deleted,
        _ => {
            return Err(Error::new(ErrorKind::Conflict, "the operation does not apply")
                .context("path", &path));
        }
    };
    match &op.content {
        Some(content) => tree.set(path.clone(), content.clone()),
        None => tree.remove(&path),
    }
    let after = tree.get(&path).map(Digest::of);
    Ok(FileChange {
        path,
        kind,
        from: None,
        before,
        after,
        executable: false,
        mode_changed: false,
        binary: false,
        added_lines: 1,
        removed_lines: 0,
    })
}
