//! The suites of core, run on directories and on git.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{
        tree::{Planted, Plants},
        workspace::Hosts,
    },
    plan::RepoSpec,
    traits::{EntryKind, Tree, Workspace},
};
use matrix_architect_sandbox::workspace::{DirTree, GitWorkspace, WorkspaceConfig};
use tempfile::TempDir;

use crate::repo::{Repo, trees_in};

fn plant(root: &Path, entries: &[Planted<'_>]) {
    for one in entries {
        let path = root.join(one.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if one.kind == EntryKind::Symlink {
            symlink(std::str::from_utf8(one.content).unwrap(), path).unwrap();
            continue;
        }
        fs::write(&path, one.content).unwrap();
        let mode = if one.kind == EntryKind::Executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

#[derive(Debug, Default)]
struct Directories(Vec<TempDir>);

#[async_trait]
impl Plants for Directories {
    async fn plant(&mut self, entries: &[Planted<'_>]) -> Arc<dyn Tree> {
        let directory = tempfile::tempdir().unwrap();
        plant(directory.path(), entries);
        let tree = DirTree::open(directory.path()).unwrap();
        self.0.push(directory);
        Arc::new(tree)
    }
}

mod tree {
    matrix_architect_core::tree_suite!(super::Directories::default());
}

#[derive(Debug)]
struct Git {
    workspace: Arc<GitWorkspace>,
    directory: TempDir,
    repos: Vec<Repo>,
    by_url: bool,
}

impl Git {
    /// A workspace, if there is git.
    fn find(by_url: bool) -> Option<Self> {
        Repo::empty()?;
        let directory = tempfile::tempdir().unwrap();
        let config = WorkspaceConfig::new(directory.path().join("work"));
        let workspace = Arc::new(GitWorkspace::open(config).unwrap());
        Some(Self { workspace, directory, repos: Vec::new(), by_url })
    }

    fn marker(&self) -> PathBuf {
        self.directory.path().join("sprung")
    }
}

#[async_trait]
impl Hosts for Git {
    fn workspace(&self) -> Arc<dyn Workspace> {
        Arc::clone(&self.workspace) as Arc<dyn Workspace>
    }

    async fn host(&mut self, entries: &[Planted<'_>]) -> RepoSpec {
        let repo = Repo::empty().unwrap();
        plant(repo.path(), entries);
        repo.commit("first");
        repo.set_traps(&self.marker());
        let spec = if self.by_url { repo.url(None) } else { repo.local() };
        self.repos.push(repo);
        spec
    }

    fn sprung(&self) -> bool {
        self.marker().exists()
    }

    fn kept(&self) -> usize {
        trees_in(&self.directory.path().join("work")).len()
    }
}

mod local {
    matrix_architect_core::workspace_suite!(match super::Git::find(false) {
        Some(git) => git,
        None => return Ok(()),
    });
}

mod fetched {
    matrix_architect_core::workspace_suite!(match super::Git::find(true) {
        Some(git) => git,
        None => return Ok(()),
    });
}
