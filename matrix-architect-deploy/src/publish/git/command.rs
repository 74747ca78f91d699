//! Runs git in a repository of our own, with settings of our own and nobody else's.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::Cancel,
};
use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::process::Command;

use super::{config::unsupported, remote::Remote};
use crate::{disk, publish::go_on};

/// Where git and ssh are looked for; the worker's own environment is not handed on.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The only settings git sees. No hook, no helper, no filter; a server that says nothing for a
/// minute is down.
const SETTINGS: &str = "\
[core]
\thooksPath = /dev/null
\tfsmonitor = false
\taskPass =
\tattributesFile = /dev/null
\tprotectHFS = true
\tprotectNTFS = true
[credential]
\thelper =
[safe]
\tdirectory = *
[protocol]
\tallow = never
[transfer]
\tfsckObjects = true
[gc]
\tauto = 0
[http]
\tlowSpeedLimit = 1
\tlowSpeedTime = 60
";

/// Git in a bare repository that is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Git<'a> {
    home: Arc<TempDir>,
    remote: &'a Remote,
    cancel: &'a Cancel,
}

impl<'a> Git<'a> {
    /// A fresh repository for object names of that many digits.
    pub(super) async fn new(remote: &'a Remote, digits: usize, cancel: &'a Cancel) -> Result<Self> {
        let home = TempDir::with_prefix("architect-publish-").map_err(|source| {
            disk::failed(source, "no temporary folder could be made", &std::env::temp_dir())
        })?;
        disk::create(&home.path().join("gitconfig"), SETTINGS.as_bytes(), 0o600)?;
        let git = Self { home: Arc::new(home), remote, cancel };
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
        Git { home: Arc::clone(&self.home), remote: self.remote, cancel }
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
        let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let output = tokio::select! {
            output = child.wait_with_output() => output,
            () = self.cancel.cancelled() => {
                if let Some(group) = group {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                return go_on(self.cancel).map(|()| String::new());
            }
        };
        let output =
            output.map_err(|e| Error::unexpected("git could not be waited for").source(e))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(self.failure(&output))
    }

    fn command(&self) -> Command {
        let home = self.home.path();
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home)
            // Messages are matched below.
            .env("LC_ALL", "C")
            .env("GIT_DIR", self.file("repository.git"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", home.join("gitconfig"))
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("GIT_ALLOW_PROTOCOL", self.remote.protocol)
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .current_dir(home)
            .process_group(0)
            .kill_on_drop(true)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let credentials = self.credentials();
        let ssh = "ssh -o BatchMode=yes -o StrictHostKeyChecking=yes";
        if !credentials.exists() {
            command.env("GIT_SSH_COMMAND", ssh);
        } else if self.remote.protocol == "ssh" {
            // The path is one of ours and needs no quotes.
            let key = format!("{ssh} -o IdentitiesOnly=yes -i {}", credentials.display());
            command.env("GIT_SSH_COMMAND", key);
        } else {
            command
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", "credential.helper")
                .env("GIT_CONFIG_VALUE_0", format!("store --file={}", credentials.display()));
        }
        command
    }

    /// What git's last words mean.
    fn failure(&self, output: &Output) -> Error {
        let text = String::from_utf8_lossy(&output.stderr).into_owned()
            + &String::from_utf8_lossy(&output.stdout);
        let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
        let error = if has(&["stale info", "fetch first", "non-fast-forward"]) {
            Error::new(ErrorKind::Conflict, "the branch was moved by somebody else")
                .code("branch_moved")
                .advice("plan the change again on what is there now; nothing is ever forced")
        } else if has(&[
            "Authentication failed",
            "could not read Username",
            "terminal prompts",
            "Permission denied",
            "error: 403",
            "error: 401",
        ]) {
            Error::new(ErrorKind::Denied, "the repository's server refused the credentials")
                .code("authentication_failed")
                .advice("name a secret in 'credentials' that may write to the repository")
        } else if has(&["Host key verification failed"]) {
            Error::new(ErrorKind::Denied, "the server's ssh key is not known")
                .code("unknown_host_key")
                .advice("add the server's key to the known hosts")
        } else if has(&["denyCurrentBranch", "branch is currently checked out"]) {
            Error::new(ErrorKind::Denied, "the branch is checked out in that repository")
                .code("branch_checked_out")
                .advice("publish as another branch, or to a bare repository")
        } else if has(&[
            "Could not resolve host",
            "Connection refused",
            "timed out",
            "unable to access",
            "early EOF",
            "Connection reset",
        ]) {
            Error::new(ErrorKind::Unavailable, "the repository's server cannot be reached")
                .advice("check the URL and the network")
        } else if has(&[
            "does not appear to be a git repository",
            "not found",
            "does not exist",
            "not a git repository",
            "unable to find",
        ]) {
            Error::not_found("there is no such repository")
                .code("repository_not_found")
                .advice("check the path or URL, and that the credentials may see it")
        } else {
            Error::unexpected("git failed").code("git_failed")
        };
        let said =
            text.lines().filter(|line| !line.starts_with("hint:") && !line.trim().is_empty());
        let said: String = said.take(4).collect::<Vec<_>>().join("; ");
        let said: String = said.chars().filter(|c| !c.is_control()).take(400).collect();
        error.context("repo", &self.remote.url).context("git", said)
    }
}
