//! Running one command: bubblewrap, bounds, streams, time, and the verdict.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    process::Stdio,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{Cancel, Command, Exit, ExitVerdict, Limits, Output, OutputStream, Usage},
};
use rustix::process::{Pid, PidfdFlags, Resource, Rlimit, Signal};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Child,
};

use super::{
    arguments::{self, Inside},
    control::{Control, NotRun},
    session::BwrapSession,
};
use crate::{
    common::{Asked, Capped, check_command, check_limits, refuse_absent},
    native::{
        Ended, Group, is_privileged, judge, make_group, not_executed, standard_input,
        with_streams_alone,
    },
};

/// How often usage is looked at where the kernel holds no limit.
const TICK: Duration = Duration::from_millis(50);

/// How long a killed command, or output that is still in a pipe, may take.
const GRACE: Duration = Duration::from_secs(10);

/// Runs a command to its end.
pub(super) async fn run(
    session: &BwrapSession,
    command: &Command,
    output: &mut dyn Output,
    cancel: &Cancel,
) -> Result<Exit> {
    check_command(command)?;
    let limits = command.limits.as_ref().unwrap_or(&session.spec.limits).clone();
    check_limits(&limits)?;
    let (_turn, unfinished) = session.turn().await?;
    let (shared, bounds) = (std::sync::Arc::clone(&session.shared), limits.clone());
    let mut group = make_group(move || shared.group(&bounds)).await?;
    let enforcement = super::sandbox::enforcement(Some(&group), &limits);
    if !session.spec.allow_degraded
        && let Err(refused) = refuse_absent(&enforcement)
    {
        unfinished.finish();
        group.give_back();
        return Err(refused);
    }
    session.bound(limits.disk).await?;
    let started = Instant::now();
    let mut running = Running::start(session, command).await?;
    running.bound(&group, &limits).await?;
    let mut capped = Capped::new(limits.output);
    let end = running.follow(session, &group, &limits, &mut capped, output, cancel).await?;
    let wall = started.elapsed();
    unfinished.finish();
    if let Some(why) = running.control.not_run() {
        return Err(not_run(command, why));
    }
    let summary = capped.finish(output);
    let ended = running.ended(&end)?;
    let readings = group.readings();
    group.give_back();
    let verdict = match end.asked {
        Some(Ending::Cpu) if ended.status.is_none() => ExitVerdict::CpuExceeded,
        _ => judge(&ended, end.asked.and_then(Ending::asked), readings, &limits)?,
    };
    let mut usage = Usage::default();
    (usage.wall, usage.user) = (wall, end.cpu);
    usage.peak_memory = readings.peak_memory.unwrap_or(0);
    Ok(Exit { verdict, usage, output: summary, enforcement })
}

fn not_run(command: &Command, why: NotRun) -> Error {
    match why {
        NotRun::NotFound => not_executed(command, libc::ENOENT),
        NotRun::NotExecutable => not_executed(command, libc::EACCES),
        NotRun::NoFolder => Error::not_found("the command's folder is not in the tree")
            .context("folder", command.cwd.as_ref().map_or("", |cwd| cwd.as_str())),
    }
}

/// Why we end a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Cancel,
    Timeout,
    Cpu,
}

impl Ending {
    const fn asked(self) -> Option<Asked> {
        match self {
            Self::Cancel => Some(Asked::Cancel),
            Self::Timeout => Some(Asked::Timeout),
            Self::Cpu => None,
        }
    }
}

/// How it came to an end.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    asked: Option<Ending>,
    cpu: Duration,
    disk_full: bool,
}

/// A command that runs.
#[derive(Debug)]
struct Running {
    control: Control,
    bwrap: Child,
    /// The first process of the command's pid namespace; `None` if it was never made.
    first: Option<(Pid, OwnedFd)>,
    /// The beginning of what bubblewrap itself says while it builds the root.
    said: Vec<u8>,
}

impl Running {
    async fn start(session: &BwrapSession, command: &Command) -> Result<Self> {
        let failed = |cause: io::Error| {
            Error::new(ErrorKind::Unavailable, "bubblewrap could not be started")
                .context("program", session.shared.config.program.display())
                .source(cause)
        };
        let mut env = session.shared.environment.clone();
        env.extend(session.spec.env.clone());
        env.extend(command.env.clone());
        let inside = Inside {
            argv: &command.argv,
            env: &env,
            cwd: command.cwd.as_ref().map(matrix_architect_core::path::RelPath::as_str),
        };
        let line =
            arguments::render(&session.shared.root, &session.folders, &session.spec.binds, inside);
        let files = [("arguments", line.as_slice()), ("filter", &session.shared.filter)];
        let folder = session.control_folder();
        let mut control = Control::make(&folder, &files).map_err(failed)?;
        let stdin = standard_input(&command.stdin).map_err(failed)?;
        let mut shell = session.entering()?;
        if is_privileged() {
            shell.args(["/usr/bin/unshare", "--mount", "--propagation", "private", "/bin/sh"]);
            shell.args(["-c", arguments::OUTSIDE_AS_ROOT, "sh"]);
        } else {
            shell.args(["/bin/sh", "-c", arguments::OUTSIDE, "sh"]);
        }
        with_streams_alone(&mut shell);
        let mut bwrap = tokio::process::Command::from(shell)
            .arg(&folder)
            .arg(&session.shared.config.program)
            .args(["--args", "3"])
            .args(arguments::program(inside))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let first = control.first_process(&mut bwrap).await?.and_then(Pid::from_raw);
        let first = match first {
            None => None,
            // It waits for our word, so the number is still its own.
            Some(pid) => {
                let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty())
                    .map_err(|cause| failed(cause.into()))?;
                Some((pid, pidfd))
            }
        };
        Ok(Self { control, bwrap, first, said: Vec::new() })
    }

    /// Puts the command into its cgroups and under its bounds, and lets it begin.
    async fn bound(&mut self, group: &Group, limits: &Limits) -> Result<()> {
        let Some((pid, _)) = &self.first else { return Ok(()) };
        let failed = |cause: io::Error| {
            Error::new(ErrorKind::Unavailable, "the command could not be put under its bounds")
                .source(cause)
        };
        for membership in group.memberships().map_err(failed)? {
            let number = pid.as_raw_nonzero().to_string();
            rustix::io::pwrite(membership.as_fd(), number.as_bytes(), 0)
                .map_err(|cause| failed(cause.into()))?;
        }
        for (resource, most) in rlimits(limits, group) {
            let limit = Rlimit { current: Some(most), maximum: Some(most) };
            rustix::process::prlimit(Some(*pid), resource, limit)
                .map_err(|cause| failed(cause.into()))?;
        }
        self.control.begin().await.map_err(failed)
    }

    /// Passes output on until the command has ended, ending it when a bound is crossed or the
    /// caller wishes it, and then takes what is left in the pipes.
    async fn follow(
        &mut self,
        session: &BwrapSession,
        group: &Group,
        limits: &Limits,
        capped: &mut Capped,
        output: &mut dyn Output,
        cancel: &Cancel,
    ) -> Result<End> {
        let mut stdout = Source::new(self.bwrap.stdout.take());
        let mut stderr = Source::new(self.bwrap.stderr.take());
        let (mut end, mut over) = (End::default(), false);
        let mut until = tokio::time::Instant::now() + limits.wall;
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !over || stdout.is_open() || stderr.is_open() {
            let wish = tokio::select! {
                _ = self.bwrap.wait(), if !over => {
                    over = true;
                    until = tokio::time::Instant::now() + GRACE;
                    None
                }
                bytes = stdout.read() => {
                    capped.take(OutputStream::Stdout, &bytes, output);
                    None
                }
                bytes = stderr.read() => {
                    let room = 4096_usize.saturating_sub(self.said.len());
                    self.said.extend_from_slice(&bytes[..bytes.len().min(room)]);
                    capped.take(OutputStream::Stderr, &bytes, output);
                    None
                }
                () = cancel.cancelled(), if end.asked.is_none() && !over => Some(Ending::Cancel),
                () = tokio::time::sleep_until(until) => {
                    if over || end.asked.is_some() {
                        break;
                    }
                    Some(Ending::Timeout)
                }
                _ = ticks.tick(), if end.asked.is_none() && !over => {
                    end.disk_full |= session.is_full();
                    crossed(group, limits, &mut end.cpu)
                }
            };
            if let Some(ending) = wish {
                end.asked = Some(ending);
                until = tokio::time::Instant::now() + GRACE;
                self.kill();
            }
        }
        end.cpu = end.cpu.max(used(group));
        end.disk_full |= session.is_full();
        if over {
            return Ok(end);
        }
        Err(Error::new(ErrorKind::Unavailable, "a command does not end though it was killed")
            .advice("a device or file system of the host may hang"))
    }

    /// Waits for the end of what was killed, but not for ever.
    fn see_it_end(&self) {
        let Some((_, pidfd)) = &self.first else { return };
        let second = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
        let _ = rustix::event::poll(
            &mut [rustix::event::PollFd::new(pidfd, rustix::event::PollFlags::IN)],
            Some(&second),
        );
    }

    /// Ends the first process of the pid namespace, and with it all of them.
    fn kill(&mut self) {
        match &self.first {
            Some((_, pidfd)) => {
                let _ = rustix::process::pidfd_send_signal(pidfd, Signal::KILL);
            }
            None => {
                let _ = self.bwrap.start_kill();
            }
        }
    }

    /// What the end was, in the native sandbox's words.
    fn ended(&mut self, end: &End) -> Result<Ended> {
        let code = self.control.exit_code();
        let status = match (code, end.asked) {
            (None, None) if self.first.is_none() => return Err(self.cannot_build()),
            // What we killed ended by our signal, unless it was quicker.
            (None, _) | (Some(137), Some(_)) => None,
            (Some(code), _) if code > 128 && self.control.was_signalled() => Some(code - 128),
            (Some(code), _) => Some(code << 8),
        };
        let user_micros = u64::try_from(end.cpu.as_micros()).unwrap_or(u64::MAX);
        Ok(Ended { status, user_micros, disk_full: end.disk_full, ..Ended::default() })
    }

    fn cannot_build(&self) -> Error {
        let said = String::from_utf8_lossy(&self.said);
        Error::new(ErrorKind::Unavailable, "bubblewrap cannot build a sandbox here")
            .context("bwrap", said.trim())
            .advice(
                "allow user namespaces (sysctl user.max_user_namespaces, \
                 kernel.apparmor_restrict_unprivileged_userns=0), or run as root",
            )
    }
}

impl Drop for Running {
    /// Only what is dropped in the middle still runs; its session's folders go right after it.
    fn drop(&mut self) {
        if matches!(self.bwrap.try_wait(), Ok(None)) {
            self.kill();
            self.see_it_end();
        }
    }
}

/// The bound that was crossed, if one was.
fn crossed(group: &Group, limits: &Limits, cpu: &mut Duration) -> Option<Ending> {
    *cpu = (*cpu).max(used(group));
    (*cpu > limits.cpu).then_some(Ending::Cpu)
}

fn used(group: &Group) -> Duration {
    Duration::from_micros(group.meter().map_or(0, |meter| crate::native::cgroup_micros(&meter)))
}

fn rlimits(limits: &Limits, group: &Group) -> Vec<(Resource, u64)> {
    let seconds = limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0);
    let mut bounds = vec![
        (Resource::Core, 0),
        (Resource::Cpu, seconds),
        (Resource::Fsize, limits.file_size),
        (Resource::Nofile, u64::from(limits.open_files)),
    ];
    if group.held(crate::native::Controller::Pids).is_none() {
        bounds.push((Resource::Nproc, u64::from(limits.processes)));
    }
    bounds
}

/// A stream of the command's, which may have ended.
struct Source<R> {
    reader: Option<R>,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Source<R> {
    fn new(reader: Option<R>) -> Self {
        Self { reader, buffer: BytesMut::new() }
    }

    const fn is_open(&self) -> bool {
        self.reader.is_some()
    }

    /// The next piece; nothing, ever, once it has ended.
    async fn read(&mut self) -> Bytes {
        let Some(reader) = &mut self.reader else { return std::future::pending().await };
        self.buffer.reserve(64 << 10);
        match reader.read_buf(&mut self.buffer).await {
            Ok(read) if read > 0 => self.buffer.split().freeze(),
            _ => {
                self.reader = None;
                Bytes::new()
            }
        }
    }
}
