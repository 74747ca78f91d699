//! The workspace that gets its code with git.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use matrix_architect_core::{
    Error,
    error::Result,
    id::GitOid,
    path::RelPath,
    plan::{Change, Plan},
    traits::{Applied, ByteStream, Checkout, CheckoutRequest, Tree, Workspace},
};

use super::{
    DirTree, Scratch, WorkspaceConfig,
    beneath::Beneath,
    checkout::{TreeCheckout, copy_folder, descend, no_subfolder},
    dir_tree::on_blocking_thread,
    git::Git,
    refs::{Target, Wanted},
    repository::History,
    source::{Source, subfolder},
    submodules::{Parent, modules},
    uncommitted::differs,
};

/// Gets code from Git repositories and plain folders, and applies changes to copies of it.
///
/// What a checkout is: the committed files, byte for byte as Git stores them. No attribute, filter
/// or line-ending rule is applied, so that a file of Git LFS is its pointer. Submodules are left out
/// unless they are asked for. A repository on this machine is read in place and only with
/// `git upload-pack` and `git cat-file`; edits of its work tree that are not committed are no part
/// of the checkout, which says so.
///
/// ```
/// use matrix_architect_sandbox::workspace::{GitWorkspace, WorkspaceConfig};
///
/// let root = tempfile::tempdir().unwrap();
/// let workspace = GitWorkspace::open(WorkspaceConfig::new(root.path()))?;
/// # drop(workspace);
/// # Ok::<(), matrix_architect_core::Error>(())
/// ```
#[derive(Debug)]
pub struct GitWorkspace {
    pub(super) config: WorkspaceConfig,
    pub(super) git: Git,
    pub(super) scratch: Arc<Scratch>,
}

impl GitWorkspace {
    /// Takes its space under the configured directory and removes what dead processes left there.
    ///
    /// # Errors
    /// `Invalid`, naming the field of the configuration; `Denied` or `Unavailable` if the directory
    /// cannot be written. That git is missing shows at the first checkout that needs it,
    /// or before, by [`WorkspaceConfig::git_version`].
    pub fn open(config: WorkspaceConfig) -> Result<Self> {
        config.validate()?;
        let scratch = Scratch::open(&config.directory)?;
        let git = Git::new(&config.access, &scratch)?;
        Ok(Self { config, git, scratch })
    }

    /// The space its trees are in, for others who need directories that vanish.
    pub const fn scratch(&self) -> &Arc<Scratch> {
        &self.scratch
    }

    async fn check_out_folder(
        &self,
        path: &Path,
        request: &CheckoutRequest<'_>,
    ) -> Result<Checkout> {
        if let Some(reference) = request.repo.reference() {
            return Err(Error::invalid("a plain folder has no branches")
                .code("not_a_repository")
                .context("ref", reference.escape_debug())
                .advice("leave the reference out, or run git init and commit there"));
        }
        let folder = open_folder(path, subfolder(request.repo)?)?;
        let (scratch, limits) = (Arc::clone(&self.scratch), self.config.limits);
        let tree = on_blocking_thread(move || copy_folder(&scratch, &folder, limits)).await?;
        Ok(Checkout { commit: None, branch: None, uncommitted: false, tree: Arc::new(tree) })
    }

    async fn check_out_commit(
        &self,
        source: &Source,
        request: &CheckoutRequest<'_>,
    ) -> Result<Checkout> {
        let wanted = Wanted::parse(request.repo.reference())?;
        let folder = subfolder(request.repo)?.cloned();
        let target = self.target(request, source, &wanted).await?;
        let (commit, tree) = self.write(request, source, &target, folder.clone()).await?;
        let uncommitted = match source {
            Source::Local(local) if local.work_tree && wanted == Wanted::Head => {
                let (tree, path) = (tree.clone(), local.path.clone());
                on_blocking_thread(move || Ok(differs(&tree, &path, folder.as_ref()))).await?
            }
            _ => false,
        };
        let branch = target.branch;
        Ok(Checkout { commit: Some(commit), branch, uncommitted, tree: Arc::new(tree) })
    }

    async fn write(
        &self,
        request: &CheckoutRequest<'_>,
        source: &Source,
        target: &Target,
        folder: Option<RelPath>,
    ) -> Result<(GitOid, DirTree)> {
        let bare = self.repository(request, source, &[&target.commit], History::None).await?;
        let directory = self.scratch.directory()?;
        let root = Beneath::open(directory.path().to_owned())?;
        let mut checkout = TreeCheckout::new(root, self.config.limits);
        let (oid, within) = (target.commit.clone(), folder.clone());
        let work = move |objects: &mut super::objects::Objects| {
            let (commit, root) = objects.root(&oid)?;
            let modules = modules(objects, &root)?;
            let tree = match &within {
                Some(folder) => descend(objects, root, folder)?,
                None => root,
            };
            checkout.write(objects, &tree, None)?;
            Ok((commit, checkout, modules))
        };
        let (commit, mut checkout, modules) =
            self.with_objects(&bare, request.cancel, work).await?;
        if let Source::Remote { url, submodules: true, .. } = source {
            let url = url.clone();
            let parent = Parent { url, modules, subfolder: folder, prefix: None, depth: 0 };
            checkout = self.submodules(request, source, checkout, parent).await?;
        }
        let finish = move || {
            checkout.finish()?;
            DirTree::owned(directory)
        };
        Ok((commit, on_blocking_thread(finish).await?))
    }
}

fn open_folder(path: &Path, subfolder: Option<&RelPath>) -> Result<Arc<Beneath>> {
    let root = Beneath::open(path.to_owned())?;
    let Some(folder) = subfolder else { return Ok(root) };
    // Resolved beneath the root first, so that a link cannot lead the subfolder elsewhere.
    root.folder(folder.as_str()).map_err(|source| no_subfolder(folder).source(source))?;
    Beneath::open(path.join(folder.as_path()))
}

#[async_trait]
impl Workspace for GitWorkspace {
    async fn checkout(&self, request: &CheckoutRequest<'_>) -> Result<Checkout> {
        let done = match Source::of(request.repo, &self.config.access)? {
            Source::Folder(path) => self.check_out_folder(&path, request).await,
            source => self.check_out_commit(&source, request).await,
        };
        done.map_err(|error| {
            error.operation("workspace.checkout").context("repo", request.repo.uri())
        })
    }

    async fn head(&self, request: &CheckoutRequest<'_>) -> Result<Option<GitOid>> {
        let source = Source::of(request.repo, &self.config.access)?;
        if matches!(source, Source::Folder(_)) {
            return Ok(None);
        }
        let wanted = Wanted::parse(request.repo.reference())?;
        let target = self.target(request, &source, &wanted).await.map_err(|error| {
            error.operation("workspace.head").context("repo", request.repo.uri())
        })?;
        Ok(Some(target.commit))
    }

    async fn resolve(
        &self,
        request: &CheckoutRequest<'_>,
        base: &Checkout,
        change: &Change,
    ) -> Result<Plan> {
        self.resolved(request, base, change)
            .await
            .map_err(|error| error.operation("workspace.resolve"))
    }

    async fn apply(&self, base: &dyn Tree, plan: &Plan) -> Result<Applied> {
        self.applied(base, plan).await.map_err(|error| error.operation("workspace.apply"))
    }

    async fn unpack(&self, packed: ByteStream) -> Result<Arc<dyn Tree>> {
        let tree = super::unpack(&self.scratch, packed, &self.config.limits).await?;
        Ok(Arc::new(tree))
    }
}
