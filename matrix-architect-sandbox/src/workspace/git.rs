//! Runs git so that nothing of a repository, a user or this process's environment can make it run
//! anything else.
//!
//! Three layers: the environment is built from nothing; the only configuration files are ours
//! (`GIT_CONFIG_GLOBAL`, which child processes such as `upload-pack` obey too); and no command but
//! `upload-pack`, which is made for repositories nobody trusts, is ever run *in* a foreign
//! repository: all others run in a bare repository that we made by hand.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use matrix_architect_core::{Error, ErrorKind, error::Result, traits::Cancel};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
};

use super::{Scratch, ScratchDir, WorkspaceConfig, fault::fault, group::Group, version::missing};

/// What git may print before we stop reading: the references of a very large repository.
const OUTPUT_CAP: u64 = 64 << 20;
pub(super) const STDERR_CAP: u64 = 64 << 10;

/// The git program with our settings.
#[derive(Debug)]
pub(super) struct Git {
    program: PathBuf,
    path: String,
    ssh: String,
    /// `HOME`, with our `gitconfig` and nothing else.
    home: ScratchDir,
}

/// What one run of git is about.
#[derive(Debug, Default)]
pub(super) struct Invocation<'a> {
    /// The repository it runs in; none for `ls-remote`.
    pub(super) repository: Option<&'a Path>,
    /// Where its objects are, if not in it.
    pub(super) objects: Option<&'a Path>,
    /// The one transport it may use; none if empty.
    pub(super) protocol: &'static str,
    /// A file for `credential-store`, or a private key for ssh.
    pub(super) credentials: Option<&'a super::credentials::Credentials>,
}

impl Git {
    pub(super) fn new(config: &WorkspaceConfig, scratch: &Arc<Scratch>) -> Result<Self> {
        let home = scratch.directory()?;
        let file = home.path().join("gitconfig");
        std::fs::write(&file, settings(config))
            .map_err(|source| fault(source, "cannot write git's settings", file.display()))?;
        let known_hosts = config.ssh_known_hosts.as_ref().map_or(String::new(), |file| {
            format!(" -o UserKnownHostsFile={}", quoted(&file.display().to_string()))
        });
        Ok(Self {
            program: config.git.clone(),
            path: config.path.clone(),
            ssh: format!("ssh -o BatchMode=yes -o StrictHostKeyChecking=yes{known_hosts}"),
            home,
        })
    }

    /// Runs git to its end and returns what it printed.
    pub(super) async fn run(
        &self,
        invocation: &Invocation<'_>,
        args: &[impl AsRef<OsStr> + Sync],
        cancel: &Cancel,
    ) -> Result<Vec<u8>> {
        let (mut child, group) = self.spawn(invocation, args, Stdio::null())?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let work = async {
            let (stdout, stderr) = tokio::join!(read(stdout, OUTPUT_CAP), read(stderr, STDERR_CAP));
            (child.wait().await, stdout, stderr)
        };
        let (status, stdout, stderr) = tokio::select! {
            done = work => done,
            () = cancel.cancelled() => {
                drop(group);
                return Err(cancelled());
            }
        };
        group.ended();
        let status = status.map_err(|source| fault(source, "cannot wait for git", "-"))?;
        if status.success() { Ok(stdout) } else { Err(failure(&stderr)) }
    }

    /// Starts git in a process group of its own.
    pub(super) fn spawn(
        &self,
        invocation: &Invocation<'_>,
        args: &[impl AsRef<OsStr>],
        stdin: Stdio,
    ) -> Result<(Child, Group)> {
        let mut command = Command::new(&self.program);
        command.env_clear().stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0).kill_on_drop(true).current_dir(self.home.path());
        self.environment(&mut command, invocation);
        if let Some(credentials) = invocation.credentials {
            credentials.configure(&mut command, &self.ssh);
        }
        let child = command.args(args).spawn().map_err(|source| missing(&self.program, source))?;
        let group = Group::of(&child);
        Ok((child, group))
    }

    fn environment(&self, command: &mut Command, invocation: &Invocation<'_>) {
        let home = self.home.path();
        command
            .env("PATH", &self.path)
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home)
            // Messages are matched below.
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", home.join("gitconfig"))
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "")
            .env("GIT_ALLOW_PROTOCOL", invocation.protocol)
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_SSH_COMMAND", &self.ssh)
            .env("GIT_SSH_VARIANT", "ssh")
            // Without it git would look for a repository above the directory it runs in.
            .env("GIT_CEILING_DIRECTORIES", home.parent().unwrap_or(home));
        if let Some(repository) = invocation.repository {
            command.env("GIT_DIR", repository);
        }
        if let Some(objects) = invocation.objects {
            command.env("GIT_OBJECT_DIRECTORY", objects);
        }
    }
}

pub(super) async fn read(from: Option<impl AsyncRead + Unpin>, cap: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        // An error here shows as the exit status of a git that cannot write.
        let mut from = from.take(cap);
        let _ = from.read_to_end(&mut bytes).await;
        // Git would block for ever on a pipe that nobody reads.
        let _ = tokio::io::copy(&mut from.into_inner(), &mut tokio::io::sink()).await;
    }
    bytes
}

pub(super) fn cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the checkout was cancelled")
}

/// What git's last words mean.
pub(super) fn failure(stderr: &[u8]) -> Error {
    let text = String::from_utf8_lossy(stderr);
    let said: String = text
        .lines()
        .filter(|line| !line.starts_with("hint:") && !line.trim().is_empty())
        .take(4)
        .collect::<Vec<_>>()
        .join("; ");
    let said: String = said.chars().filter(|c| !c.is_control()).take(500).collect();
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let error = if has(&[
        "Authentication failed",
        "could not read Username",
        "terminal prompts",
        "Permission denied (",
        "HTTP 403",
        "error: 403",
        "error: 401",
    ]) {
        Error::new(ErrorKind::Denied, "the repository's server refused the credentials")
            .code("authentication_failed")
            .advice("name a secret that may read the repository")
    } else if has(&["Host key verification failed"]) {
        Error::new(ErrorKind::Denied, "the server's ssh key is not known")
            .code("unknown_host_key")
            .advice("add the server's key to the known hosts file")
    } else if has(&[
        "Could not resolve host",
        "Connection refused",
        "timed out",
        "unable to access",
        "Connection reset",
        "early EOF",
        "Could not resolve hostname",
    ]) {
        Error::new(ErrorKind::Unavailable, "the repository's server cannot be reached")
            .advice("check the URL and the network")
    } else if has(&[
        "does not appear to be a git repository",
        "not found",
        "does not exist",
        "not a git repository",
    ]) {
        Error::new(ErrorKind::NotFound, "there is no such repository")
            .code("repository_not_found")
            .advice("check the URL; a private repository also answers so without credentials")
    } else if has(&["No space left on device"]) {
        Error::new(ErrorKind::Unavailable, "the disk is full").advice("free some space")
    } else {
        Error::new(ErrorKind::Unexpected, "git failed")
    };
    error.context("git", said)
}

fn settings(config: &WorkspaceConfig) -> String {
    let fixed = [
        ("core.hooksPath", "/dev/null"),
        ("core.fsmonitor", "false"),
        ("core.askPass", ""),
        ("core.attributesFile", "/dev/null"),
        ("core.excludesFile", "/dev/null"),
        ("core.symlinks", "true"),
        ("core.protectNTFS", "true"),
        ("core.protectHFS", "true"),
        ("credential.helper", ""),
        ("protocol.allow", "never"),
        ("protocol.ext.allow", "never"),
        ("protocol.https.allow", "always"),
        ("protocol.ssh.allow", "always"),
        ("protocol.file.allow", "always"),
        ("safe.directory", "*"),
        ("submodule.recurse", "false"),
        ("fetch.recurseSubmodules", "false"),
        ("transfer.fsckObjects", "true"),
        ("transfer.credentialsInUrl", "die"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        // A server that stops talking for a minute is down.
        ("http.lowSpeedLimit", "1"),
        ("http.lowSpeedTime", "60"),
    ];
    let http = ("protocol.http.allow", if config.allow_http { "always" } else { "never" });
    let operators = config.git_settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut text = String::new();
    for (name, value) in fixed.into_iter().chain([http]).chain(operators) {
        let (section, key) = name.rsplit_once('.').unwrap_or((name, ""));
        let section = match section.split_once('.') {
            Some((section, sub)) => format!("{section} {}", escaped(sub)),
            None => section.to_owned(),
        };
        let _ = writeln!(text, "[{section}]\n\t{key} = {}", escaped(value));
    }
    text
}

/// In double quotes, as git's configuration files want it.
fn escaped(value: &str) -> String {
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{value}\"")
}

/// In single quotes, as the shell that git starts ssh with wants it.
pub(super) fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
