//! Where commands run that nobody trusts.

use std::{collections::BTreeMap, fmt::Debug, path::PathBuf, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{ByteStream, Cancel, Connection, Fence, Network, Service, ServiceState, Tree};
use crate::{error::Result, id::SessionId, path::RelPath, tenant::JobRef};

/// Bounds of one command, and of the session's writable space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Limits {
    /// From start to end, wall clock.
    pub wall: Duration,
    /// CPU time of the whole tree of processes.
    pub cpu: Duration,
    /// Bytes of memory of the whole tree, swap included.
    pub memory: u64,
    /// Processes and threads.
    pub processes: u32,
    /// Bytes that may be written to the workspace and the temporary folders together.
    pub disk: u64,
    /// Bytes of one file.
    pub file_size: u64,
    /// Open files of one process.
    pub open_files: u32,
    /// Bytes of output that are kept, first and last half; the rest is counted and dropped.
    pub output: u64,
    /// How many CPUs' worth of time the tree may use at once, in thousandths; 0 for all.
    pub cpu_millis: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(10),
            cpu: Duration::from_mins(20),
            memory: 4 << 30,
            processes: 1024,
            disk: 8 << 30,
            file_size: 4 << 30,
            open_files: 4096,
            output: 8 << 20,
            cpu_millis: 0,
        }
    }
}

impl Limits {
    /// Bounds the wall clock.
    #[must_use]
    pub const fn wall(mut self, wall: Duration) -> Self {
        self.wall = wall;
        self
    }

    /// Bounds the CPU time.
    #[must_use]
    pub const fn cpu(mut self, cpu: Duration) -> Self {
        self.cpu = cpu;
        self
    }

    /// Bounds the memory.
    #[must_use]
    pub const fn memory(mut self, bytes: u64) -> Self {
        self.memory = bytes;
        self
    }

    /// Bounds the number of processes.
    #[must_use]
    pub const fn processes(mut self, count: u32) -> Self {
        self.processes = count;
        self
    }

    /// Bounds what may be written.
    #[must_use]
    pub const fn disk(mut self, bytes: u64) -> Self {
        self.disk = bytes;
        self
    }

    /// Bounds one file.
    #[must_use]
    pub const fn file_size(mut self, bytes: u64) -> Self {
        self.file_size = bytes;
        self
    }

    /// Bounds the output kept.
    #[must_use]
    pub const fn output(mut self, bytes: u64) -> Self {
        self.output = bytes;
        self
    }
}

/// How a limit or a layer is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Enforcement {
    /// The kernel holds it for the whole tree; it was written and read back.
    Enforced,
    /// The kernel holds it for each process alone.
    PerProcess,
    /// We look from time to time and act.
    Polled,
    /// Nothing holds it.
    Absent,
}

/// How one limit or layer is held, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitReport {
    /// Which, such as `memory` or `network`.
    pub name: String,
    /// How well.
    pub enforcement: Enforcement,
    /// By what, such as `cgroup v1 memory` or `user namespace`.
    pub by: String,
}

/// A host directory or file shown inside, read-only. Sandboxes that bind anew for each command
/// refuse targets below the tree, the home and `/tmp`, where commands could put links in the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// On the host.
    pub source: PathBuf,
    /// Inside.
    pub target: PathBuf,
}

/// What a session is like.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionSpec {
    /// The session's name.
    pub id: SessionId,
    /// For which job and lease: the labels by which a reaper knows orphans.
    pub owner: Option<(JobRef, Fence)>,
    /// The bounds of each command that names none.
    pub limits: Limits,
    /// The environment of each command; nothing else is passed on.
    pub env: BTreeMap<String, String>,
    /// Read-only host paths beside the toolchains, such as vendored dependencies.
    pub binds: Vec<Bind>,
    /// What it may reach.
    pub network: Network,
    /// Whether a limit or layer that cannot be enforced here is recorded instead of refused.
    pub allow_degraded: bool,
}

impl SessionSpec {
    /// A session with default bounds and an empty environment, strict.
    pub fn new(id: SessionId) -> Self {
        Self {
            id,
            owner: None,
            limits: Limits::default(),
            env: BTreeMap::new(),
            binds: Vec::new(),
            network: Network::Isolated,
            allow_degraded: false,
        }
    }
}

/// A command.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Command {
    /// The program and its arguments; the program is looked up in the session's `PATH`.
    pub argv: Vec<String>,
    /// Environment beside the session's.
    pub env: BTreeMap<String, String>,
    /// Where it starts, inside the tree; its root if `None`.
    pub cwd: Option<RelPath>,
    /// What it reads; nothing if empty.
    pub stdin: Bytes,
    /// Bounds; the session's if `None`.
    pub limits: Option<Limits>,
}

impl Command {
    /// A program with arguments.
    pub fn new(argv: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            cwd: None,
            stdin: Bytes::new(),
            limits: None,
        }
    }

    /// A line for `sh -c`.
    pub fn shell(line: impl Into<String>) -> Self {
        Self::new(["sh".to_owned(), "-c".to_owned(), line.into()])
    }
}

/// Which of a command's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes a command's output as it comes.
pub trait Output: Send {
    /// A piece of output. Called in order; must not block.
    fn write(&mut self, stream: OutputStream, bytes: &[u8]);
}

/// Keeps output in memory; for callers that know it is small.
impl Output for Vec<u8> {
    fn write(&mut self, _stream: OutputStream, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Why a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "class", content = "value", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExitVerdict {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal, of its own doing.
    Signalled(i32),
    /// Out of memory.
    OutOfMemory,
    /// Out of time.
    TimedOut,
    /// Out of CPU time.
    CpuExceeded,
    /// It wanted more processes than it may have, and failed.
    ProcessesExceeded,
    /// It wanted more space than it may have, and failed.
    DiskExceeded,
    /// We were asked to stop it.
    Cancelled,
}

impl ExitVerdict {
    /// Whether it ended by itself with code 0.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Exited(0))
    }
}

/// What a command used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Usage {
    /// Wall clock.
    pub wall: Duration,
    /// CPU time in user mode, of the whole tree.
    pub user: Duration,
    /// CPU time in the kernel, of the whole tree.
    pub system: Duration,
    /// The most memory at once, in bytes; of the tree where a cgroup counts it.
    pub peak_memory: u64,
}

/// What became of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputSummary {
    /// Bytes written to standard output.
    pub stdout: u64,
    /// Bytes written to standard error.
    pub stderr: u64,
    /// Bytes that were dropped because of the cap.
    pub dropped: u64,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Why.
    pub verdict: ExitVerdict,
    /// What it used.
    pub usage: Usage,
    /// What became of its output.
    pub output: OutputSummary,
    /// How each limit and layer was held.
    pub enforcement: Vec<LimitReport>,
}

/// What a sandbox can do here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxCapabilities {
    /// Its registered name, such as `native`.
    pub driver: String,
    /// How each limit and layer would be held.
    pub enforcement: Vec<LimitReport>,
    /// Whether sessions can be given an [`Egress`](super::Egress).
    pub egress: bool,
    /// Whether services can run beside a session's commands.
    pub services: bool,
}

/// What is taken out of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Collect {
    /// Paths and globs inside the tree, such as `target/release/app` or `dist/*.whl`.
    pub patterns: Vec<String>,
    /// Bytes at most, all together.
    pub max_bytes: u64,
    /// Entries at most.
    pub max_entries: u64,
}

impl Collect {
    /// These paths, at most 1 GiB in 100,000 entries.
    pub fn new(patterns: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            patterns: patterns.into_iter().map(Into::into).collect(),
            max_bytes: 1 << 30,
            max_entries: 100_000,
        }
    }
}

/// Where commands run that nobody trusts.
///
/// # Contract
/// 1. `a_command_runs_and_its_exit_code_is_told`.
/// 2. `the_tree_is_there_and_writable`, and the caller's tree is unchanged afterwards.
/// 3. `the_host_is_not_reachable`: no way into a network, no file outside the toolchains, the tree and the
///    binds, no process, no socket.
/// 4. `the_environment_is_only_what_was_given`.
/// 5. `a_timeout_kills_the_whole_tree`, daemons included.
/// 6. `a_memory_hog_is_told_apart` as [`ExitVerdict::OutOfMemory`], where memory is `Enforced`.
/// 7. `a_fork_bomb_is_contained`.
/// 8. `output_beyond_the_cap_is_counted_and_dropped`, and memory stays flat.
/// 9. `a_limit_that_cannot_be_held_is_refused` unless the spec allows it, and then it is reported.
/// 10. `nothing_is_left_after_close`: no process, mount, cgroup or directory. Dropping a session
///     has the same effect, later.
/// 11. `files_written_by_one_command_are_seen_by_the_next`.
/// 12. `what_is_collected_is_an_archive_of_just_that`: symbolic links that leave the tree, devices
///     and sockets are not in it.
/// 13. `cancel_ends_the_command` with [`ExitVerdict::Cancelled`].
/// 14. `a_program_that_is_not_there_is_not_found`: the error's kind is `NotFound` and its code
///     `program_not_found`, so that a missing tool is never taken for a failed check.
///
/// 15. `an_allowed_host_is_reached_and_written_down`, where the capabilities say `egress`.
/// 16. `a_host_that_is_not_allowed_is_refused_by_name`, and is written down.
/// 17. `there_is_no_way_out_beside_the_proxy`: neither by address nor by name.
/// 18. `a_service_is_ready_before_start_returns` and shares network and files with the commands
///     after it, where the capabilities say `services`.
/// 19. `a_service_that_does_not_become_ready_is_told` with what it wrote: the error's kind is
///     `Unavailable` and its code `service_not_ready`.
/// 20. `what_is_not_supported_is_refused`: an egress or a service that the sandbox cannot provide
///     is `Unsupported`, never ignored.
/// 21. `a_service_outlives_the_end_of_a_command`: a command that times out or is cancelled ends
///     alone.
/// 22. `a_service_that_ended_is_told` with how it ended and what it wrote; it is over when its first
///     process ends, and what it started ends with it.
/// 23. `an_exit_and_a_signal_are_told_apart`: a command that exits with 137 has exited, one that
///     `SIGKILL` ended was signalled. Where the word for it is a shell's, 130 and 141 may be taken for
///     `SIGINT` and `SIGPIPE`.
///
/// # Cancellation
/// `run` and `start` take a `Cancel` and are not dropped; if one is all the same, the
/// session is closed.
#[async_trait]
pub trait Sandbox: Debug + Send + Sync + 'static {
    /// What it can do here. Probed once, for real.
    fn capabilities(&self) -> SandboxCapabilities;

    /// Opens a session on a private, writable copy of the tree.
    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>>;

    /// Ends what earlier processes left behind and returns how many sessions that were.
    async fn reap(&self) -> Result<u64>;
}

/// One session: commands that share a tree, one after the other.
#[async_trait]
pub trait Session: Debug + Send + Sync {
    /// Runs a command to its end.
    async fn run(
        &self,
        command: &Command,
        output: &mut dyn Output,
        cancel: &Cancel,
    ) -> Result<Exit>;

    /// Starts a service beside the commands and returns when it is ready. It ends with the session.
    async fn start(&self, service: &Service, cancel: &Cancel) -> Result<()>;

    /// How the services do, in the order of their start.
    async fn services(&self) -> Result<Vec<ServiceState>>;

    /// What the session wanted to reach since it was opened, in order; the first 10,000.
    async fn connections(&self) -> Result<Vec<Connection>>;

    /// Takes files out, as a tar archive whose content is hostile.
    async fn collect(&self, what: &Collect) -> Result<ByteStream>;

    /// Ends the session and removes all of it.
    async fn close(self: Box<Self>) -> Result<()>;
}
