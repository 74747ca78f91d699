//! Running one command: bounds, streams, time, and the verdict.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{
        Cancel, Command, Enforcement, Exit, LimitReport, Limits, Output, OutputStream, Usage,
    },
};
use tokio::{io::AsyncReadExt as _, net::unix::pipe};

use super::{
    cgroup::{Controller, Group, Version},
    prepared::Prepared,
    sandbox::Shared,
    session::{Line, NativeSession},
    verdict,
    wire::{self, Ended, Program, Reply, Request, RunRequest},
};
use crate::common::{
    Asked, Capped, check_command, check_limits, not_executable, not_found, refuse_absent, report,
};

/// How long a killed command, or output that is still in a pipe, may take.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a command to its end.
pub(super) async fn run(
    session: &NativeSession,
    command: &Command,
    output: &mut dyn Output,
    cancel: &Cancel,
) -> Result<Exit> {
    check_command(command)?;
    let limits = command.limits.as_ref().unwrap_or(&session.spec.limits).clone();
    check_limits(&limits)?;
    let (mut turn, line, unfinished) = session.turn().await?;
    let shared = &session.shared;
    let prepared = turn.take(shared, &line, &limits).await?;
    let enforcement = enforcement(shared, Some(&prepared.group), &limits);
    if !session.spec.allow_degraded
        && let Err(refused) = refuse_absent(&enforcement)
    {
        turn.put_back(prepared);
        unfinished.finish();
        return Err(refused);
    }
    let Prepared { mut group, .. } = prepared;
    let started = Instant::now();
    let (stdout, stderr) = start(session, &line, command, &limits, &group).await?;
    turn.look_ahead(shared, &line, &limits).await;
    let mut watched = Watched { line: &line, capped: Capped::new(limits.output), asked: None };
    let reply = watched.follow(stdout, stderr, output, cancel, limits.wall).await?;
    let wall = started.elapsed();
    unfinished.finish();
    let ended = match reply {
        Reply::Ended(ended) => ended,
        Reply::Failed(fault) => return Err(fault.into_error()),
        _ => return Err(Error::unexpected("a sandbox session spoke out of turn")),
    };
    if let Some(errno) = ended.not_executed {
        return Err(not_executed(command, errno));
    }
    let readings = group.readings();
    group.give_back();
    Ok(Exit {
        verdict: verdict::judge(&ended, watched.asked, readings, &limits)?,
        usage: usage(&ended, wall, readings.peak_memory),
        output: watched.capped.finish(output),
        enforcement,
    })
}

/// Makes a command's cgroups where it may block.
pub(crate) async fn make_group<T: Send + 'static>(
    make: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(make).await.map_err(io::Error::other).flatten().map_err(no_group)
}

/// The error of whoever could not make a command's cgroups.
pub(super) fn no_group(cause: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the command's cgroups could not be made")
        .advice("check the limits and that the server may write its cgroup")
        .source(cause)
}

/// How each layer and limit of a command is held.
pub(super) fn enforcement(
    shared: &Shared,
    group: Option<&Group>,
    limits: &Limits,
) -> Vec<LimitReport> {
    let held = |controller| group.and_then(|group| group.held(controller));
    let by = |version: Version, what: &str| version.by(what);
    let mut reports = shared.layers();
    reports.push(report("wall", Enforcement::Enforced, "timer and end of the pid namespace"));
    reports.push(report("cpu", Enforcement::Polled, "tree's CPU time, rlimit for each process"));
    reports.push(held(Controller::Memory).map_or_else(
        || {
            report(
                "memory",
                Enforcement::Polled,
                "watch over the tree's and shared segments' memory",
            )
        },
        |version| report("memory", Enforcement::Enforced, &by(version, "memory")),
    ));
    reports.push(held(Controller::Pids).map_or_else(
        || report("processes", Enforcement::Enforced, "rlimit in the command's user namespace"),
        |version| report("processes", Enforcement::Enforced, &by(version, "pids")),
    ));
    reports.push(report("disk", Enforcement::Enforced, "size of the file system in memory"));
    reports.push(report("file_size", Enforcement::Enforced, "rlimit"));
    reports.push(report("open_files", Enforcement::PerProcess, "rlimit"));
    reports.push(report("output", Enforcement::Enforced, "ring of the last half of the cap"));
    if limits.cpu_millis > 0 {
        reports.push(held(Controller::Cpu).map_or_else(
            || report("cpu_millis", Enforcement::Absent, "no cpu cgroup can be made"),
            |version| report("cpu_millis", Enforcement::Enforced, &by(version, "cpu")),
        ));
    }
    reports
}

/// Sends the command off and returns where its output comes from.
async fn start(
    session: &NativeSession,
    line: &Line,
    command: &Command,
    limits: &Limits,
    group: &Group,
) -> Result<(pipe::Receiver, pipe::Receiver)> {
    let short = |cause: io::Error| {
        Error::new(ErrorKind::Unavailable, "the command's streams could not be opened")
            .source(cause)
    };
    let stdin = standard_input(&command.stdin).map_err(short)?;
    let (stdout, write_stdout) = output_pipe().map_err(short)?;
    let (stderr, write_stderr) = output_pipe().map_err(short)?;
    let (request, meter) = request(session, command, limits, group);
    let mut with = vec![stdin.as_fd(), write_stdout.as_fd(), write_stderr.as_fd()];
    with.extend(meter.as_ref().map(|meter| meter.as_fd()));
    line.link.send(&Request::Run(request), &with).await?;
    Ok((stdout, stderr))
}

/// What a session is asked to run, and the CPU meter that goes with it.
pub(super) fn request(
    session: &NativeSession,
    command: &Command,
    limits: &Limits,
    group: &Group,
) -> (RunRequest, Option<Arc<OwnedFd>>) {
    let mut env = session.shared.environment.clone();
    env.extend(session.spec.env.clone());
    env.extend(session.door.iter().flat_map(|door| door.environment.clone()));
    env.extend(command.env.clone());
    let memory_is_held = group.held(Controller::Memory).is_some();
    // A session that watches memory itself watches CPU time with it.
    let meter = if memory_is_held { group.meter() } else { None };
    let request = RunRequest {
        program: Program {
            argv: command.argv.clone(),
            env,
            cwd: command.cwd.as_ref().map(ToString::to_string),
        },
        cpu_micros: u64::try_from(limits.cpu.as_micros()).unwrap_or(u64::MAX),
        memory: if memory_is_held { 0 } else { limits.memory },
        disk: limits.disk,
        meter: meter.is_some(),
    };
    (request, meter)
}

pub(crate) fn standard_input(content: &[u8]) -> io::Result<OwnedFd> {
    if content.is_empty() {
        return Ok(std::fs::File::open("/dev/null")?.into());
    }
    let file = wire::memory_file(content)?;
    rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::WRITE | rustix::fs::SealFlags::GROW)?;
    Ok(file.into())
}

pub(super) fn output_pipe() -> io::Result<(pipe::Receiver, OwnedFd)> {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((pipe::Receiver::from_owned_fd(read)?, write))
}

/// A command that runs.
struct Watched<'a> {
    line: &'a Line,
    capped: Capped,
    asked: Option<Asked>,
}

impl Watched<'_> {
    /// Passes output on until the command has ended, ending it when its time is up or the caller
    /// wishes it, and then takes what is left in the pipes.
    async fn follow(
        &mut self,
        mut stdout: pipe::Receiver,
        mut stderr: pipe::Receiver,
        output: &mut dyn Output,
        cancel: &Cancel,
        wall: Duration,
    ) -> Result<Reply> {
        let (mut from_stdout, mut from_stderr) =
            (Vec::with_capacity(64 << 10), Vec::with_capacity(64 << 10));
        let (mut stdout_open, mut stderr_open) = (true, true);
        let mut reply = None;
        let mut answer = pin!(self.line.link.answer());
        let mut time_is_up = pin!(tokio::time::sleep(wall));
        let mut grace = pin!(tokio::time::sleep(Duration::MAX));
        while reply.is_none() || stdout_open || stderr_open {
            tokio::select! {
                answered = &mut answer, if reply.is_none() => {
                    reply = Some(answered?.0);
                    grace.set(tokio::time::sleep(GRACE));
                }
                read = stdout.read_buf(&mut from_stdout), if stdout_open => {
                    stdout_open = read.is_ok_and(|read| read > 0);
                    self.capped.take(OutputStream::Stdout, &from_stdout, output);
                    from_stdout.clear();
                }
                read = stderr.read_buf(&mut from_stderr), if stderr_open => {
                    stderr_open = read.is_ok_and(|read| read > 0);
                    self.capped.take(OutputStream::Stderr, &from_stderr, output);
                    from_stderr.clear();
                }
                () = cancel.cancelled(), if self.asked.is_none() && reply.is_none() => {
                    self.end(Asked::Cancel).await?;
                    grace.set(tokio::time::sleep(GRACE));
                }
                () = &mut time_is_up, if self.asked.is_none() && reply.is_none() => {
                    self.end(Asked::Timeout).await?;
                    grace.set(tokio::time::sleep(GRACE));
                }
                () = &mut grace => break,
            }
        }
        reply.ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "a command does not end though it was killed")
                .advice("a device or file system of the host may hang")
        })
    }

    async fn end(&mut self, asked: Asked) -> Result<()> {
        self.asked = Some(asked);
        self.line.link.send(&Request::Kill, &[]).await
    }
}

fn usage(ended: &Ended, wall: Duration, peak_memory: Option<u64>) -> Usage {
    let mut usage = Usage::default();
    usage.wall = wall;
    usage.user = Duration::from_micros(ended.user_micros);
    usage.system = Duration::from_micros(ended.system_micros);
    usage.peak_memory = peak_memory.unwrap_or(ended.peak_memory);
    usage
}

pub(crate) fn not_executed(command: &Command, errno: i32) -> Error {
    let program = &command.argv[0];
    let error = match errno {
        libc::ENOENT | libc::ENOTDIR => not_found(program),
        libc::EACCES | libc::ENOEXEC => not_executable(program),
        libc::E2BIG => Error::invalid("the command's arguments and environment are too large")
            .context("program", program),
        _ => Error::unexpected("the program could not be executed").context("program", program),
    };
    error.source(io::Error::from_raw_os_error(errno))
}
