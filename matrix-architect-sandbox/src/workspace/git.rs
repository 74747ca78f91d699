//! Runs git so that nothing of a repository, a user or this process's environment can make it run
//! anything else.
//!
//! Three layers: the environment is built from nothing; the only configuration files are ours
//! (`GIT_CONFIG_GLOBAL`, which child processes such as `upload-pack` obey too); and no command but
//! `upload-pack`, which is made for repositories nobody trusts, is ever run *in* a foreign
//! repository: all others run in a bare repository that we made by hand.

use std::{ffi::OsStr, path::Path, process::Stdio, sync::Arc};

use matrix_architect_core::{
    Error, ErrorKind,
    error::Result,
    git::{GitAccess, failure, too_slow},
    traits::Cancel,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
};

use super::{
    Scratch, ScratchDir, credentials::Credentials, fault::fault, group::Group, version::missing,
};

/// What git may print before we stop reading: the references of a very large repository.
const OUTPUT_CAP: u64 = 64 << 20;
pub(super) const STDERR_CAP: u64 = 64 << 10;

/// The git program with our settings.
#[derive(Debug)]
pub(super) struct Git {
    access: GitAccess,
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
    pub(super) credentials: Option<&'a Credentials>,
}

impl Git {
    pub(super) fn new(access: &GitAccess, scratch: &Arc<Scratch>) -> Result<Self> {
        for (field, file) in access.files() {
            std::fs::File::open(file).map_err(|source| {
                fault(source, "a file of the git settings cannot be read", file.display())
                    .context("field", field)
            })?;
        }
        let home = scratch.directory()?;
        let file = home.path().join("gitconfig");
        std::fs::write(&file, access.gitconfig())
            .map_err(|source| fault(source, "cannot write git's settings", file.display()))?;
        Ok(Self { access: access.clone(), home })
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
        let patience = self.access.patience();
        let (status, stdout, stderr) = tokio::select! {
            done = work => done,
            // Whichever it is, the group goes, and with it what git has started.
            () = cancel.cancelled() => return Err(cancelled()),
            () = tokio::time::sleep(patience) => return Err(too_slow(patience)),
        };
        group.ended();
        let status = status.map_err(|source| fault(source, "cannot wait for git", "-"))?;
        if status.success() { Ok(stdout) } else { Err(failure(&String::from_utf8_lossy(&stderr))) }
    }

    /// Starts git in a process group of its own.
    pub(super) fn spawn(
        &self,
        invocation: &Invocation<'_>,
        args: &[impl AsRef<OsStr>],
        stdin: Stdio,
    ) -> Result<(Child, Group)> {
        let mut command = Command::new(&self.access.program);
        let home = self.home.path();
        let credentials = invocation.credentials.map(Credentials::file);
        command
            .env_clear()
            .envs(self.access.environment(home, invocation.protocol, credentials))
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .current_dir(home);
        if let Some(repository) = invocation.repository {
            command.env("GIT_DIR", repository);
        }
        if let Some(objects) = invocation.objects {
            command.env("GIT_OBJECT_DIRECTORY", objects);
        }
        let program = &self.access.program;
        let child = command.args(args).spawn().map_err(|source| missing(program, source))?;
        let group = Group::of(&child);
        if !invocation.protocol.is_empty() {
            group.bound(self.access.max_bytes);
        }
        Ok((child, group))
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
