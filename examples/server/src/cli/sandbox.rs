//! `architect sandbox run`: the sandbox as a tool of its own.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand};
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::SessionId,
    traits::{
        AllowedHost, Bind, Cancel, Collect, Command, Connection, ConnectionOutcome, Egress,
        Enforcement, Exit as Ended, ExitVerdict, Ids as _, Limits, Network, Output, OutputStream,
        PrivateHost, Session, SessionSpec,
    },
};
use matrix_architect_sandbox::workspace::{DirTree, Scratch, TreeLimits, unpack};
use matrix_architect_store::system::SystemIds;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    context::Context,
    exit::Exit,
    quantity::{bytes, duration, processors},
};
use crate::isolation::Isolation;

/// Run commands in the sandbox that changes are verified in.
#[derive(Debug, Args)]
pub(super) struct SandboxCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Run a command on a copy of a directory, and say how it ended and what it used
    Run(Box<Run>),
}

impl SandboxCommand {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        match self.action {
            Action::Run(run) => run.run(context).await,
        }
    }
}

/// Run a command on a copy of a directory, and say how it ended and what it used.
///
/// The command sees the system's programs and the toolchains found in PATH, but no home, no secret,
/// no socket and no network. What it writes is gone afterwards, unless --collect takes it out.
#[derive(Debug, Args)]
#[command(after_help = EXITS)]
struct Run {
    #[command(flatten)]
    isolation: Isolation,
    /// Directory that the command gets a copy of
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with = "empty")]
    tree: PathBuf,
    /// Start in an empty directory instead
    #[arg(long)]
    empty: bool,
    /// Variable of the command's environment; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Host path shown inside, read-only; may be given several times
    #[arg(long, value_name = "SOURCE[:TARGET]", value_parser = bind)]
    bind: Vec<Bind>,
    /// Host that may be reached, as name, name:port or *.name:port; may be given several times
    #[arg(long, value_name = "HOST")]
    allow: Vec<AllowedHost>,
    /// Private addresses that a host given with --allow may have, such as mirror.corp=10.1.0.0/16
    #[arg(long, value_name = "HOST=RANGE", requires = "allow")]
    allow_private: Vec<PrivateHost>,
    /// Path or glob of the tree that is taken out afterwards; may be given several times
    #[arg(long, value_name = "GLOB", requires = "into")]
    collect: Vec<String>,
    /// Directory that receives what --collect names; it must not exist
    #[arg(long, value_name = "DIR", requires = "collect")]
    into: Option<PathBuf>,
    /// The command and its arguments
    #[arg(value_name = "CMD", trailing_var_arg = true, required = true)]
    command: Vec<String>,
    // Last, because its heading holds for all that follows.
    #[command(flatten)]
    limits: LimitArgs,
}

const EXITS: &str = "Exit codes: the command's own; 128 and its number for a signal; 124 out of \
                     time; 125 another limit, or the sandbox itself failed; 126 not executable; \
                     127 not found.";

/// Bounds of the command; what is not given is as in VERIFY.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Wall clock, such as 10m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    wall: Option<Duration>,
    /// CPU time of all processes together
    #[arg(long, value_name = "TIME", value_parser = duration)]
    cpu: Option<Duration>,
    /// Memory of all processes together, such as 2G
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<u64>,
    /// Processes and threads
    #[arg(long, value_name = "COUNT")]
    processes: Option<u32>,
    /// What may be written, all together
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    disk: Option<u64>,
    /// The largest file
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    file_size: Option<u64>,
    /// Open files of one process
    #[arg(long, value_name = "COUNT")]
    open_files: Option<u32>,
    /// Output that is passed on, first and last half; the rest is counted
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    output: Option<u64>,
    /// Processors, such as 0.5
    #[arg(long, value_name = "NUMBER", value_parser = processors)]
    cpus: Option<u32>,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.wall = self.wall.unwrap_or(limits.wall);
        limits.cpu = self.cpu.unwrap_or(limits.cpu);
        limits.memory = self.memory.unwrap_or(limits.memory);
        limits.processes = self.processes.unwrap_or(limits.processes);
        limits.disk = self.disk.unwrap_or(limits.disk);
        limits.file_size = self.file_size.unwrap_or(limits.file_size);
        limits.open_files = self.open_files.unwrap_or(limits.open_files);
        limits.output = self.output.unwrap_or(limits.output);
        limits.cpu_millis = self.cpus.unwrap_or(limits.cpu_millis);
        limits
    }
}

fn variable(text: &str) -> Result<(String, String)> {
    let refuse = || Error::invalid("not a variable").advice("write it as NAME=VALUE");
    let (name, value) = text.split_once('=').ok_or_else(refuse)?;
    if name.is_empty() {
        return Err(refuse());
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn bind(text: &str) -> Result<Bind> {
    let (source, target) = text.split_once(':').unwrap_or((text, text));
    if !source.starts_with('/') || !target.starts_with('/') {
        return Err(Error::invalid("not a path to show inside").advice("write it from '/'"));
    }
    Ok(Bind { source: source.into(), target: target.into() })
}

/// What the command line's `--json` prints.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    ended: &'a Ended,
    connections: &'a [Connection],
}

impl Run {
    async fn run(self, context: &Context) -> Result<Exit> {
        let ended = self.execute(context).await;
        ended.or_else(|error| {
            let code = match (error.kind(), error.code_str()) {
                (_, "program_not_found") => 127,
                (_, "program_not_executable") => 126,
                (ErrorKind::Invalid, _) => return Err(error),
                _ => 125,
            };
            context.screen.error(&error);
            Ok(Exit::Command(code))
        })
    }

    async fn execute(&self, context: &Context) -> Result<Exit> {
        if let Some(into) = self.into.as_ref().filter(|into| into.exists()) {
            return Err(Error::invalid("the directory for what is collected exists")
                .context("directory", into.display())
                .advice("name another, or remove it"));
        }
        let home = context.home()?;
        let scratch = Scratch::open(home.scratch())?;
        let composition = context.composition.clone().isolation(&self.isolation);
        let sandbox = composition.sandbox(&home).await?;
        let tree = if self.empty {
            DirTree::owned(scratch.directory()?)?
        } else {
            DirTree::open(&self.tree).map_err(|error| {
                error.advice("give --tree DIR, or --empty to start with nothing")
            })?
        };
        let session = sandbox.open(&tree, &self.spec()).await?;
        let cancel = interrupted()?;
        let command = Command::new(&self.command);
        let mut output = Passing { json: context.screen.is_json() };
        let ended = session.run(&command, &mut output, &cancel).await?;
        let connections = session.connections().await?;
        if !self.collect.is_empty() {
            self.take_out(&*session, &scratch).await?;
        }
        session.close().await?;
        if context.screen.is_json() {
            context.screen.json(&Report { ended: &ended, connections: &connections })?;
        } else {
            context.screen.note(&page(&ended, &connections));
        }
        Ok(Exit::Command(code(ended.verdict)))
    }

    fn spec(&self) -> SessionSpec {
        let mut spec = SessionSpec::new(SessionId::from_number(SystemIds.next()));
        spec.limits = self.limits.limits();
        spec.env = self.env.iter().cloned().collect();
        spec.binds.clone_from(&self.bind);
        spec.allow_degraded = self.isolation.allow_degraded;
        if !self.allow.is_empty() {
            let mut egress = Egress::to(self.allow.clone());
            egress.private.clone_from(&self.allow_private);
            spec.network = Network::Egress(egress);
        }
        spec
    }

    /// Unpacks what was asked for under the rules for hostile archives, and then gives it its name.
    async fn take_out(
        &self,
        session: &dyn Session,
        scratch: &std::sync::Arc<Scratch>,
    ) -> Result<()> {
        let Some(into) = &self.into else { return Ok(()) };
        let archive = session.collect(&Collect::new(&self.collect)).await?;
        let taken = unpack(scratch, archive, &TreeLimits::default()).await?;
        let from = matrix_architect_core::traits::Tree::local(&taken).unwrap_or(Path::new(""));
        copy(from, into).map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "what was collected could not be written")
                .context("directory", into.display())
                .source(cause)
        })
    }
}

/// Copies a tree of folders, files and links that we made ourselves.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&source, &target)?;
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(&source)?, &target)?;
        } else {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// Cancelled by SIGINT and SIGTERM.
fn interrupted() -> Result<Cancel> {
    let refuse =
        |cause| Error::unexpected("the system does not let signals be handled").source(cause);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refuse)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(refuse)?;
    let cancel = Cancel::new();
    let wish = cancel.clone();
    tokio::spawn(async move {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
        wish.cancel();
    });
    Ok(cancel)
}

/// Passes the command's output on to our own streams; where our standard output is for the report,
/// all of it goes to standard error.
struct Passing {
    json: bool,
}

impl Output for Passing {
    fn write(&mut self, stream: OutputStream, bytes: &[u8]) {
        // Nobody reads any more: the command goes on, and what it says is still counted.
        let _ = match stream {
            OutputStream::Stdout if !self.json => std::io::stdout().lock().write_all(bytes),
            _ => std::io::stderr().lock().write_all(bytes),
        };
        let _ = std::io::stdout().lock().flush();
    }
}

fn code(verdict: ExitVerdict) -> u8 {
    match verdict {
        ExitVerdict::Exited(code) => u8::try_from(code).unwrap_or(125),
        ExitVerdict::Signalled(signal) => u8::try_from(128 + signal).unwrap_or(125),
        ExitVerdict::TimedOut => 124,
        ExitVerdict::Cancelled => 130,
        _ => 125,
    }
}

/// The verdict in words, the usage, and what was reached.
fn page(ended: &Ended, connections: &[Connection]) -> String {
    let usage = ended.usage;
    let mut lines = vec![format!(
        "{}  wall {:.3} s, cpu {:.3} s, memory {} MiB, output {} B{}",
        words(ended.verdict),
        usage.wall.as_secs_f64(),
        (usage.user + usage.system).as_secs_f64(),
        usage.peak_memory >> 20,
        ended.output.stdout + ended.output.stderr,
        match ended.output.dropped {
            0 => String::new(),
            dropped => format!(" ({dropped} B dropped)"),
        },
    )];
    for report in &ended.enforcement {
        if report.enforcement == Enforcement::Absent {
            lines.push(format!("! {} is not held: {}", report.name, report.by));
        }
    }
    for connection in connections {
        let what = match &connection.outcome {
            ConnectionOutcome::Allowed => {
                format!("{} B out, {} B in", connection.sent, connection.received)
            }
            ConnectionOutcome::Refused(why) => format!("refused: {why}"),
            ConnectionOutcome::Failed(why) => format!("failed: {why}"),
            _ => String::new(),
        };
        let times = match connection.count {
            1 => String::new(),
            count => format!("{count} times, "),
        };
        lines.push(format!("{}:{}  {times}{what}", connection.host, connection.port));
    }
    lines.join("\n")
}

fn words(verdict: ExitVerdict) -> String {
    match verdict {
        ExitVerdict::Exited(code) => format!("exit code {code}"),
        ExitVerdict::Signalled(signal) => format!("ended by signal {signal}"),
        ExitVerdict::OutOfMemory => "out of memory".to_owned(),
        ExitVerdict::TimedOut => "out of time".to_owned(),
        ExitVerdict::CpuExceeded => "out of CPU time".to_owned(),
        ExitVerdict::ProcessesExceeded => "too many processes".to_owned(),
        ExitVerdict::DiskExceeded => "too much written".to_owned(),
        ExitVerdict::Cancelled => "stopped".to_owned(),
        _ => "ended".to_owned(),
    }
}
