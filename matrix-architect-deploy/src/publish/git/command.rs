//! Runs git in a repository of our own, with settings of our own and nobody else's.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    git::{GitAccess, RemoteUrl, failure, too_slow},
    traits::Cancel,
};
use tempfile::TempDir;
use tokio::process::Command;

use super::{config::unsupported, group::Group};
use crate::{disk, publish::go_on};

/// Where git is to get to, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reach<'a> {
    pub(super) access: &'a GitAccess,
    pub(super) remote: &'a RemoteUrl,
}

/// Git in a bare repository that is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Git<'a> {
    home: Arc<TempDir>,
    reach: Reach<'a>,
    cancel: &'a Cancel,
}

impl<'a> Git<'a> {
    /// A fresh repository for object names of that many digits.
    pub(super) async fn new(reach: Reach<'a>, digits: usize, cancel: &'a Cancel) -> Result<Self> {
        let home = TempDir::with_prefix("architect-publish-").map_err(|source| {
            disk::failed(source, "no temporary folder could be made", &std::env::temp_dir())
        })?;
        let settings = reach.access.gitconfig();
        disk::create(&home.path().join("gitconfig"), settings.as_bytes(), 0o600)?;
        let git = Self { home: Arc::new(home), reach, cancel };
        let format = if digits == 64 { "sha256" } else { "sha1" };
        git.run(&[
            "init",
            "--quiet",
            "--bare",
            "--template=",
            &format!("--object-format={format}"),
        ])
        .await?;
        Ok(git)
    }

    /// The same repository for somebody who listens to another wish to stop.
    pub(super) fn until<'b>(&'b self, cancel: &'b Cancel) -> Git<'b> {
        Git { home: Arc::clone(&self.home), reach: self.reach, cancel }
    }

    /// A file of that name which is gone with the repository.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Where credentials are, if there are any.
    pub(super) fn credentials(&self) -> PathBuf {
        self.file("credentials")
    }

    /// Runs git to its end and returns what it printed.
    pub(super) async fn run(&self, words: &[&str]) -> Result<String> {
        self.run_with(words, Stdio::null()).await
    }

    /// Runs git on a file.
    pub(super) async fn run_on(&self, words: &[&str], input: &Path) -> Result<String> {
        let file =
            File::open(input).map_err(|e| disk::failed(e, "the file could not be read", input))?;
        self.run_with(words, Stdio::from(file)).await
    }

    async fn run_with(&self, words: &[&str], input: Stdio) -> Result<String> {
        go_on(self.cancel)?;
        let mut command = self.command();
        let child = command.args(words).stdin(input).spawn().map_err(|source| {
            if source.kind() == std::io::ErrorKind::NotFound {
                return unsupported("git is not installed")
                    .code("git_missing")
                    .advice("install git 2.32 or newer");
            }
            Error::new(ErrorKind::Unavailable, "git could not be started").source(source)
        })?;
        let group = Group::of(&child);
        group.bound(self.reach.access.max_bytes);
        let patience = self.reach.access.patience();
        let output = tokio::select! {
            output = child.wait_with_output() => output,
            // Whichever it is, the group goes, and with it what git has started.
            () = self.cancel.cancelled() => return go_on(self.cancel).map(|()| String::new()),
            () = tokio::time::sleep(patience) => return Err(too_slow(patience)),
        };
        group.ended();
        let output =
            output.map_err(|e| Error::unexpected("git could not be waited for").source(e))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let printed = [output.stderr, output.stdout].concat();
        let error = failure(&String::from_utf8_lossy(&printed));
        Err(error.context("repo", self.reach.remote.text()))
    }

    fn command(&self) -> Command {
        let Reach { access, remote } = self.reach;
        let home = self.home.path();
        let credentials = self.credentials();
        let credentials = credentials.exists().then_some(credentials.as_path());
        let mut command = Command::new(&access.program);
        command
            .env_clear()
            .envs(access.environment(home, remote.scheme(), credentials))
            .env("GIT_DIR", self.file("repository.git"))
            .current_dir(home)
            .process_group(0)
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}
