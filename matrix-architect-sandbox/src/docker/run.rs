//! Running one command: its container, its streams, time, and the verdict.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bollard::{container::LogOutput, errors::Error as EngineError};
use futures_util::StreamExt as _;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{Cancel, Command, Exit, LimitReport, Limits, Output, OutputStream, Usage},
};
use tokio::io::AsyncWriteExt as _;

use super::{
    cgroup::{Cgroup, Counted},
    container::{Container, Streams},
    fault::fault,
    job,
    maker::Runner,
    marker::Marker,
    sandbox,
    session::DockerSession,
    shape::{Bounds, TREE},
    space::Space,
    word::word,
};
use crate::common::{
    Asked, Capped, Seen, Status, check_command, check_limits, judge, not_executable, not_found,
    refuse_absent,
};

/// How long a killed container, or output that is still on its way, may take.
const GRACE: Duration = Duration::from_secs(20);
/// How often bounds that we hold ourselves are looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Runs a command to its end.
pub(super) async fn run(
    session: &DockerSession,
    command: &Command,
    output: &mut dyn Output,
    cancel: &Cancel,
) -> Result<Exit> {
    check_command(command)?;
    let limits = command.limits.as_ref().unwrap_or(&session.spec.limits).clone();
    check_limits(&limits)?;
    let word = word()?;
    let input = input(session, command, &word)?;
    let (_turn, unfinished) = session.turn().await?;
    let space = session.space()?;
    let runner = session.runner(Bounds::of(&limits)).await?;
    let enforcement = enforcement(&runner, &space, &limits);
    if !session.spec.allow_degraded
        && let Err(refused) = refuse_absent(&enforcement)
    {
        unfinished.finish();
        return Err(refused);
    }
    let Runner { container, streams, cgroup, .. } = runner;
    let mut watched = Watched::new(container, cgroup, &space, &limits, &word);
    let started = Instant::now();
    let end = watched.follow(streams, &input, output, cancel).await?;
    let wall = started.elapsed();
    let seen = watched.conclude(end, command).await;
    // The command has ended and its container is dead: what went wrong with it is its own.
    unfinished.finish();
    let (seen, counted) = seen?;
    let mut usage = Usage::default();
    usage.wall = wall;
    usage.user = counted.user;
    usage.system = counted.system;
    usage.peak_memory = counted.peak_memory;
    Ok(Exit {
        verdict: judge(&seen, watched.asked, &limits)?,
        usage,
        output: watched.capped.finish(output),
        enforcement,
    })
}

/// How each layer and limit of a command is held in its container.
pub(super) fn enforcement(runner: &Runner, space: &Space, limits: &Limits) -> Vec<LimitReport> {
    let mut enforcement = runner.held.clone();
    enforcement.push(sandbox::disk(space, limits.disk));
    enforcement
}

/// What goes into the container: the line for its shell, and what the command reads.
pub(super) fn input(session: &DockerSession, command: &Command, word: &str) -> Result<Vec<u8>> {
    let mut env = session.env.clone();
    env.extend(command.env.clone());
    let directory = match &command.cwd {
        Some(path) => format!("{TREE}/{path}"),
        None => TREE.to_owned(),
    };
    let mut input = job::line(command, &env, &directory, word)?.into_bytes();
    input.extend_from_slice(&command.stdin);
    Ok(input)
}

/// How a command's part came to its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The shell said so.
    Said(String),
    /// The container ended.
    Container,
    /// We wanted it to.
    Ours,
}

/// A command that runs.
pub(super) struct Watched<'a> {
    container: Container,
    cgroup: Option<Cgroup>,
    space: &'a Space,
    limits: &'a Limits,
    capped: Capped,
    markers: [Marker; 2],
    pub(super) asked: Option<Asked>,
    before: Counted,
    seen: Seen,
}

impl<'a> Watched<'a> {
    pub(super) fn new(
        container: Container,
        cgroup: Option<Cgroup>,
        space: &'a Space,
        limits: &'a Limits,
        word: &str,
    ) -> Self {
        cgroup.iter().for_each(Cgroup::forget_peak);
        let before = cgroup.as_ref().map(Cgroup::counted).unwrap_or_default();
        Self {
            container,
            cgroup,
            space,
            limits,
            capped: Capped::new(limits.output),
            markers: [Marker::new(word), Marker::new(word)],
            asked: None,
            before,
            seen: Seen::default(),
        }
    }

    /// Passes input and output on until the command has ended, or its time is up, or the caller
    /// wishes it to end.
    pub(super) async fn follow(
        &mut self,
        streams: Streams,
        input: &[u8],
        output: &mut dyn Output,
        cancel: &Cancel,
    ) -> Result<End> {
        let (mut to_shell, mut from_container) = streams.into_ends();
        let mut feeding = pin!(async {
            // A command that does not read its input has the right to.
            let _ = to_shell.write_all(input).await;
            let _ = to_shell.shutdown().await;
        });
        let mut fed = false;
        let mut time_is_up = pin!(tokio::time::sleep(self.limits.wall));
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = &mut feeding, if !fed => fed = true,
                piece = from_container.next() => {
                    let Some(piece) = piece else { return Ok(self.ended(output)) };
                    if let Some(end) = self.take(piece, output)? {
                        return Ok(end);
                    }
                }
                () = cancel.cancelled() => {
                    self.asked = Some(Asked::Cancel);
                    return Ok(End::Ours);
                }
                () = &mut time_is_up => {
                    self.asked = Some(Asked::Timeout);
                    return Ok(End::Ours);
                }
                _ = look.tick() => {
                    self.look();
                    if self.seen.cpu_exceeded {
                        return Ok(End::Ours);
                    }
                }
            }
        }
    }

    /// Takes a piece of output. The command has ended when the shell said so on both streams, or
    /// that there was none.
    fn take(
        &mut self,
        piece: std::result::Result<LogOutput, EngineError>,
        output: &mut dyn Output,
    ) -> Result<Option<End>> {
        let piece = piece.map_err(|cause| fault("the output of a container broke off", cause))?;
        let (index, stream, bytes) = match &piece {
            LogOutput::StdErr { message } => (1, OutputStream::Stderr, message),
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                (0, OutputStream::Stdout, message)
            }
            LogOutput::StdIn { .. } => return Ok(None),
        };
        let capped = &mut self.capped;
        self.markers[index].take(bytes, |bytes| capped.take(stream, bytes, output));
        let [stdout, stderr] = &self.markers;
        Ok(match (stdout.said(), stderr.said()) {
            (Some(said), Some(_)) => Some(End::Said(said.to_owned())),
            (Some(said), None) if said.starts_with(char::is_alphabetic) => {
                Some(End::Said(said.to_owned()))
            }
            _ => None,
        })
    }

    /// The container has ended though the shell did not say so.
    fn ended(&mut self, output: &mut dyn Output) -> End {
        let streams = [OutputStream::Stdout, OutputStream::Stderr];
        for (marker, stream) in self.markers.iter_mut().zip(streams) {
            marker.finish(|bytes| self.capped.take(stream, bytes, output));
        }
        End::Container
    }

    fn look(&mut self) {
        self.seen.disk_full |= self.space.is_full();
        if let Some(group) = &self.cgroup {
            let (user, system) = group.cpu_time();
            let used = (user + system).saturating_sub(self.before.user + self.before.system);
            self.seen.cpu_exceeded |= used > self.limits.cpu;
        }
    }

    /// Reads what was counted, ends what is left in the container, and says what was seen.
    pub(super) async fn conclude(
        &mut self,
        end: End,
        command: &Command,
    ) -> Result<(Seen, Counted)> {
        self.seen.disk_full |= self.space.is_full();
        let group = self.cgroup.as_ref();
        let mut counted = group.map(Cgroup::counted).unwrap_or_default();
        // Also if the shell alone is left: it has the command's user, so that it may be the
        // command's by now, and would write to the tree while files are taken out.
        let killed = tokio::time::timeout(GRACE, self.container.kill()).await;
        killed.map_err(|_| {
            Error::new(ErrorKind::Unavailable, "a container does not end though it was killed")
                .advice("look into the log of the Docker engine")
        })??;
        counted.user = counted.user.saturating_sub(self.before.user);
        counted.system = counted.system.saturating_sub(self.before.system);
        self.seen.used = counted.user + counted.system;
        self.seen.oom = counted.oom_kills > self.before.oom_kills;
        self.seen.processes_refused = counted.refused_processes > self.before.refused_processes;
        match end {
            End::Said(said) => {
                let unseen = self.cgroup.is_none() && said != "0";
                self.seen.oom |= unseen && self.was_out_of_memory().await?;
                self.seen.status = Some(status(&said, command)?);
            }
            End::Container => self.seen.oom |= self.was_out_of_memory().await?,
            End::Ours => {}
        }
        Ok((self.seen, counted))
    }

    /// Its container, to be removed.
    pub(super) fn into_container(self) -> Container {
        self.container
    }

    /// The engine's own word for it, which comes late at times; where the cgroup cannot be read,
    /// there is no other.
    async fn was_out_of_memory(&self) -> Result<bool> {
        let state = self.container.inspect().await?.state.unwrap_or_default();
        Ok(state.oom_killed == Some(true))
    }
}

/// What the shell said of the command's end.
fn status(said: &str, command: &Command) -> Result<Status> {
    let program = &command.argv[0];
    let strange =
        || Error::unexpected("the shell of a container spoke out of turn").context("said", said);
    let mut characters = said.chars();
    match characters.next() {
        Some(job::NO_DIRECTORY) => {
            let directory = command.cwd.as_ref().map(ToString::to_string).unwrap_or_default();
            Err(Error::not_found("the directory to start in is not in the tree")
                .context("directory", directory)
                .advice("check that it exists"))
        }
        Some(job::NOT_EXECUTED) => match characters.as_str() {
            "127" => Err(not_found(program)),
            "126" => Err(not_executable(program)),
            _ => Err(Error::invalid("the shell of the container refused the command")
                .context("program", program)
                .advice("a variable may have a name that the shell keeps for itself")),
        },
        _ => {
            let (code, how) = said.split_once(' ').unwrap_or((said, ""));
            let code: i32 = code.parse().map_err(|_| strange())?;
            let signal = code - 128;
            let by_signal = how == "s" && (1..=64).contains(&signal);
            Ok(if by_signal { Status::Signalled(signal) } else { Status::Exited(code) })
        }
    }
}
