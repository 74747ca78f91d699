//! Running a command on this machine, without a shell and without the worker's environment.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use matrix_architect_core::error::{Error, ErrorKind, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::environment::Variables;
use crate::disk;

/// What is seen of a command's output.
const OUTPUT_CAP: usize = 1 << 20;

/// Where commands are looked for. The worker's own environment is never handed on: it holds the
/// worker's secrets.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A command to run.
#[derive(Debug)]
pub(super) struct Run {
    /// The command and its arguments. Never a secret.
    pub(super) words: Vec<String>,
    /// Where.
    pub(super) folder: PathBuf,
    /// With which variables.
    pub(super) variables: Variables,
    /// The file that takes the output of it and of daemons it leaves; collected if `None`.
    pub(super) output: Option<PathBuf>,
    /// How long.
    pub(super) patience: Duration,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ran {
    /// How it ended; `None` if it had to be killed.
    pub(super) code: Option<i32>,
    /// What it said, cut; empty if the output went to a file.
    pub(super) output: String,
    /// How it ended, for people.
    pub(super) ending: String,
}

impl Ran {
    pub(super) fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    /// How it ended and the last line it said.
    pub(super) fn describe(&self) -> String {
        match self.output.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => {
                format!("{}: {}", self.ending, line.chars().take(200).collect::<String>())
            }
            None => self.ending.clone(),
        }
    }
}

/// Runs a command to its end.
///
/// # Errors
/// `Invalid` with code `command_not_found` if there is no such command.
pub(super) async fn run(run: &Run) -> Result<Ran> {
    let mut child = spawn(run)?;
    let stdout = child.stdout.take().map(|pipe| tokio::spawn(collect(pipe)));
    let stderr = child.stderr.take().map(|pipe| tokio::spawn(collect(pipe)));
    let status = wait(&mut child, run.patience).await;
    let mut output = String::new();
    for mut reader in [stdout, stderr].into_iter().flatten() {
        // A daemon may hold the pipe open for ever.
        match timeout(Duration::from_millis(200), &mut reader).await {
            Ok(text) => output.push_str(&text.unwrap_or_default()),
            Err(_) => reader.abort(),
        }
    }
    let code = status.and_then(|status| status.code());
    let ending = match status {
        Some(status) => status.to_string(),
        None => format!("killed after {} ms", run.patience.as_millis()),
    };
    Ok(Ran { code, output, ending })
}

fn spawn(run: &Run) -> Result<Child> {
    let program = program(&run.words[0], &run.folder);
    let mut command = Command::new(&program);
    command.args(&run.words[1..]).current_dir(&run.folder).process_group(0);
    command.env_clear().env("PATH", PATH).stdin(Stdio::null());
    for (name, value) in run.variables.iter() {
        command.env(name, value);
    }
    match &run.output {
        None => command.stdout(Stdio::piped()).stderr(Stdio::piped()),
        Some(path) => {
            let file = OpenOptions::new().append(true).create(true).open(path);
            let file = file.and_then(|file| Ok((file.try_clone()?, file)));
            let (stdout, stderr) =
                file.map_err(|e| disk::failed(e, "the log could not be opened", path))?;
            command.stdout(stdout).stderr(stderr)
        }
    };
    command.spawn().map_err(|source| {
        let missing = source.kind() == std::io::ErrorKind::NotFound;
        let kind = if missing { ErrorKind::Invalid } else { ErrorKind::Unavailable };
        Error::new(kind, "the command could not be started")
            .code(if missing { "command_not_found" } else { "command_failed" })
            .context("command", program.display())
            .advice("name a file of the release or a command that is installed")
            .source(source)
    })
}

/// A word with a `/` is a file of the release unless it is absolute.
fn program(word: &str, folder: &Path) -> PathBuf {
    if word.contains('/') { folder.join(word) } else { PathBuf::from(word) }
}

/// Waits for the command; when its time is over it and what it started are killed.
async fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    if let Ok(status) = timeout(patience, child.wait()).await {
        return status.ok();
    }
    let group = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait().await;
    // Grandchildren are gone a moment later.
    sleep(Duration::from_millis(1)).await;
    None
}

/// Reads to the end and keeps the end.
async fn collect(mut pipe: impl AsyncRead + Unpin) -> String {
    let (mut kept, mut piece) = (Vec::new(), vec![0; 4096]);
    while let Ok(count @ 1..) = pipe.read(&mut piece).await {
        kept.extend_from_slice(&piece[..count]);
        if kept.len() > 2 * OUTPUT_CAP {
            kept.drain(..kept.len() - OUTPUT_CAP);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
