//! Real repositories, made by the real git.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use matrix_architect_core::{
    error::Result,
    fake::NoSecrets,
    id::{Digest, TenantId},
    plan::{Change, Plan, RepoSpec},
    traits::{Cancel, Checkout, CheckoutRequest, EntryKind, SecretStore, Tree, Workspace as _},
};
use matrix_architect_sandbox::workspace::{GitWorkspace, WorkspaceConfig};
use tempfile::TempDir;

/// A repository with a work tree.
#[derive(Debug)]
pub(crate) struct Repo {
    directory: TempDir,
}

impl Repo {
    /// One without a commit; none where there is no git, which is said aloud. With `ARCHITECT_CI` set
    /// it may not be missing.
    pub(crate) fn empty() -> Option<Self> {
        if Command::new("git").arg("--version").output().is_err() {
            assert!(std::env::var_os("ARCHITECT_CI").is_none(), "must not be skipped here: no git");
            eprintln!("SKIPPED: git is not installed");
            return None;
        }
        let repo = Self { directory: tempfile::tempdir().unwrap() };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        Some(repo)
    }

    /// With a first commit on `main`.
    pub(crate) fn sample() -> Option<Self> {
        let repo = Self::empty()?;
        repo.write("README.md", "# Sample\n\nA line.\n");
        repo.write("src/lib.rs", "pub fn answer() -> u8 {\n    42\n}\n");
        repo.write("run.sh", "#!/bin/sh\necho hi\n");
        repo.executable("run.sh");
        std::os::unix::fs::symlink("src/lib.rs", repo.path().join("link")).unwrap();
        repo.commit("first");
        Some(repo)
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn executable(&self, path: &str) {
        fs::set_permissions(self.path().join(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn commit(&self, message: &str) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes the repository run something and leave a mark wherever git can be told to.
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    pub(crate) fn set_traps(&self, marker: &Path) {
        let evil = self.path().join(".git/evil.sh");
        fs::write(&evil, format!("#!/bin/sh\necho \"$0 $@\" >> {}\ncat\n", marker.display()))
            .unwrap();
        fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
        let evil = evil.display().to_string();
        for hook in [
            "post-checkout",
            "pre-auto-gc",
            "reference-transaction",
            "post-index-change",
            "fsmonitor-watchman",
            "pre-receive",
            "update",
            "post-upload-pack",
            "proc-receive",
        ] {
            fs::copy(&evil, self.path().join(".git/hooks").join(hook)).unwrap();
        }
        for (key, value) in [
            ("core.fsmonitor", evil.as_str()),
            ("core.sshCommand", &evil),
            ("core.gitProxy", &evil),
            ("core.askPass", &evil),
            ("core.pager", &evil),
            ("core.editor", &evil),
            ("core.hooksPath", self.path().join(".git/hooks").to_str().unwrap()),
            ("core.worktree", "/"),
            ("core.alternateRefsCommand", &evil),
            ("credential.helper", &format!("!{evil}")),
            ("alias.upload-pack", &format!("!{evil}")),
            ("alias.cat-file", &format!("!{evil}")),
            ("alias.ls-remote", &format!("!{evil}")),
            ("filter.evil.smudge", &evil),
            ("filter.evil.clean", &evil),
            ("filter.evil.process", &evil),
            ("filter.evil.required", "true"),
            ("filter.lfs.smudge", &evil),
            ("diff.external", &evil),
            ("diff.evil.textconv", &evil),
            ("diff.evil.command", &evil),
            ("uploadpack.packObjectsHook", &evil),
            ("remote.origin.uploadpack", &evil),
            ("remote.origin.promisor", "true"),
            ("remote.origin.url", &format!("ext::{evil} %S")),
            ("protocol.ext.allow", "always"),
            ("include.path", "/dev/null"),
            ("url.ext::evil.insteadOf", "file://"),
            ("gpg.program", &evil),
            ("log.showSignature", "true"),
            ("gc.auto", "1"),
            ("maintenance.auto", "true"),
        ] {
            // git config itself would read what it just wrote, so the file is written by hand.
            let (section, name) = key.rsplit_once('.').unwrap();
            let section = match section.split_once('.') {
                Some((section, sub)) => format!("[{section} \"{sub}\"]"),
                None => format!("[{section}]"),
            };
            let file = self.path().join(".git/config");
            let old = fs::read_to_string(&file).unwrap();
            fs::write(&file, format!("{old}{section}\n\t{name} = {value}\n")).unwrap();
        }
    }

    /// What git says, without the line end.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(self.path(), args).trim_end().to_owned()
    }

    /// What is staged, as a diff against the last commit.
    pub(crate) fn staged(&self) -> String {
        git(self.path(), &["diff", "--cached", "--binary", "-M", "HEAD"])
    }

    /// As a folder of this machine.
    pub(crate) fn local(&self) -> RepoSpec {
        self.at(None)
    }

    pub(crate) fn at(&self, reference: Option<&str>) -> RepoSpec {
        RepoSpec::Local {
            path: self.path().display().to_string(),
            reference: reference.map(str::to_owned),
            subfolder: None,
        }
    }

    /// As what git fetches.
    pub(crate) fn url(&self, reference: Option<&str>) -> RepoSpec {
        RepoSpec::Git {
            url: format!("file://{}", self.path().display()),
            reference: reference.map(str::to_owned),
            subfolder: None,
            credentials: None,
            submodules: false,
        }
    }
}

/// Runs git as a careful user would, apart from this machine's configuration.
pub(crate) fn git(directory: &Path, args: &[&str]) -> String {
    let done = Command::new("git")
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@example.org")])
        .envs([("GIT_COMMITTER_NAME", "A"), ("GIT_COMMITTER_EMAIL", "a@example.org")])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "git {args:?}: {stderr}");
    String::from_utf8(done.stdout).unwrap()
}

/// A workspace in a directory of its own.
pub(crate) struct Desk {
    pub(crate) workspace: GitWorkspace,
    pub(crate) directory: TempDir,
    tenant: TenantId,
    pub(crate) cancel: Cancel,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut WorkspaceConfig)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut config = WorkspaceConfig::new(directory.path().join("work"));
        change(&mut config);
        let workspace = GitWorkspace::open(config).unwrap();
        Self { workspace, directory, tenant: TenantId::default(), cancel: Cancel::new() }
    }

    pub(crate) fn request<'a>(
        &'a self,
        repo: &'a RepoSpec,
        secrets: &'a dyn SecretStore,
    ) -> CheckoutRequest<'a> {
        CheckoutRequest::new(&self.tenant, repo, secrets, &self.cancel)
    }

    pub(crate) async fn checkout(&self, repo: &RepoSpec) -> Result<Checkout> {
        self.workspace.checkout(&self.request(repo, &NoSecrets)).await
    }

    pub(crate) async fn resolve(
        &self,
        repo: &RepoSpec,
        base: &Checkout,
        change: &Change,
    ) -> Result<Plan> {
        self.workspace.resolve(&self.request(repo, &NoSecrets), base, change).await
    }

    /// Directories of trees that are still there, apart from git's home.
    pub(crate) fn trees(&self) -> Vec<PathBuf> {
        trees_in(&self.directory.path().join("work"))
    }
}

/// Directories of trees under a workspace's directory, apart from git's home.
pub(crate) fn trees_in(work: &Path) -> Vec<PathBuf> {
    let spaces = fs::read_dir(work).unwrap();
    let spaces = spaces.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
    spaces
        .flat_map(|space| fs::read_dir(space).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.is_dir() && path.file_name().unwrap() != "d0")
        .collect()
}

/// Every entry with its kind and content.
pub(crate) async fn contents(tree: &dyn Tree) -> BTreeMap<String, (EntryKind, Option<Digest>)> {
    let mut all = BTreeMap::new();
    for entry in tree.list().await.unwrap() {
        let content = tree.read(&entry.path).await.unwrap();
        all.insert(entry.path.to_string(), (entry.kind, content.map(Digest::of)));
    }
    all
}

pub(crate) async fn text(tree: &dyn Tree, path: &str) -> Option<String> {
    let content = tree.read(&matrix_architect_core::path::RelPath::new(path).unwrap()).await;
    content.unwrap().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}
