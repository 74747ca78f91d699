//! Services: what runs beside a session's commands until the session ends, each in a container of
//! its own that shares the session's network and files.
//!
//! A task of the server's follows each as a command is followed, without its bound on wall clock
//! time, keeps the end of what it writes, and kills its container when its first process has ended.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use bytes::Bytes;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{
        Cancel, Command, ExitVerdict, Limits, Output, OutputStream, Readiness, Service,
        ServiceState,
    },
};
use rustix::process::Signal;
use tokio::task::JoinHandle;

use super::{
    local::Unreachable,
    maker::Runner,
    run::{self, Watched},
    session::{Alive, DockerSession},
    shape::Bounds,
    space::Space,
    word::word,
};
use crate::common::{
    PAUSES, Tail, Unfinished, check_command, check_limits, ended_early, is_listener, judge,
    name_is_taken, port_is_taken, refuse_absent, start_was_cancelled, too_late, unknown_readiness,
};

/// A service that was started, whether it runs or not. It is ended when this is dropped.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) name: String,
    /// Its container, by which it is held still.
    pub(super) container: String,
    life: Arc<Life>,
    stop: Cancel,
    following: Option<JoinHandle<()>>,
}

/// What is known of a service.
#[derive(Debug, Default)]
struct Life {
    tail: Tail,
    ended: Mutex<Option<Ended>>,
}

/// How a service ended.
#[derive(Debug)]
enum Ended {
    By(ExitVerdict),
    /// It never began, or nobody knows.
    Never(Option<Error>),
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Some(following) = &self.following {
            following.abort();
        }
    }
}

impl Started {
    fn ended(&self) -> std::sync::MutexGuard<'_, Option<Ended>> {
        self.life.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it runs.
    pub(super) fn is_running(&self) -> bool {
        self.ended().is_none()
    }

    /// How it does.
    pub(super) fn state(&self) -> ServiceState {
        let ended = self.ended().as_ref().map(|ended| match ended {
            Ended::By(verdict) => *verdict,
            Ended::Never(_) => ExitVerdict::Cancelled,
        });
        ServiceState::new(self.name.clone(), ended, Bytes::from(self.life.tail.kept()))
    }

    /// Ends it and waits until its container is gone.
    pub(super) fn end(&mut self) -> impl Future<Output = ()> + Send + use<> {
        self.stop.cancel();
        let following = self.following.take();
        async move {
            if let Some(following) = following {
                let _ = following.await;
            }
        }
    }
}

/// Keeps the end of what comes.
struct ToTail<'a>(&'a Tail);

impl Output for ToTail<'_> {
    fn write(&mut self, _stream: OutputStream, bytes: &[u8]) {
        self.0.take(bytes);
    }
}

/// Starts a service and waits until it is ready. One that does not become so is ended.
pub(super) async fn start(
    session: &DockerSession,
    service: &Service,
    cancel: &Cancel,
) -> Result<()> {
    let limits = service.command.limits.as_ref().unwrap_or(&session.spec.limits).clone();
    check_command(&service.command)?;
    check_limits(&limits)?;
    let space = session.space()?;
    if !space.shares_network() {
        let why = Unreachable::OtherKernel;
        return Err(Error::new(ErrorKind::Unsupported, "a service would be alone in its network")
            .context("why", why.why())
            .advice(why.remedy()));
    }
    let until = Instant::now() + service.patience;
    let unfinished = launch(session, service, &space, &limits, (until, cancel)).await?;
    drop(space);
    let outcome = match wait(session, service, until, cancel).await {
        Ok(()) => Ok(()),
        Err(error) => Err(stopped(session, service, error).await?),
    };
    unfinished.finish();
    outcome
}

/// Sends a service off; until it is finished, dropping what is returned closes the session.
async fn launch(
    session: &DockerSession,
    service: &Service,
    space: &Arc<Space>,
    limits: &Limits,
    (until, cancel): (Instant, &Cancel),
) -> Result<Unfinished<Alive>> {
    let word = word()?;
    let input = run::input(session, &service.command, &word)?;
    // Two at once would not see each other.
    let _launching = session.launching.lock().await;
    if let Readiness::Port(port) = service.ready
        && listens(session, port, until, cancel).await?
    {
        return Err(port_is_taken(service, port));
    }
    let (_turn, unfinished) = session.turn().await?;
    if session.services(|all| all.iter().any(|other| other.name == service.name))? {
        unfinished.finish();
        return Err(name_is_taken(service));
    }
    let runner = session.runner(Bounds::of(limits)).await?;
    let enforcement = run::enforcement(&runner, space, limits);
    if !session.spec.allow_degraded
        && let Err(refused) = refuse_absent(&enforcement)
    {
        unfinished.finish();
        return Err(refused);
    }
    let (life, stop) = (Arc::new(Life::default()), Cancel::new());
    let container = runner.container.id.clone();
    let mut limits = limits.clone();
    // It lives as long as the session, and says what it likes: only the end is kept.
    (limits.wall, limits.output) = (std::time::Duration::MAX, u64::MAX);
    let following = Following {
        runner,
        space: Arc::clone(space),
        life: Arc::clone(&life),
        command: service.command.clone(),
        limits,
    };
    let following = Some(tokio::spawn(following.follow(word, input, stop.clone())));
    let name = service.name.clone();
    let started = Started { name, container, life, stop, following };
    session.services(move |all| all.push(started))?;
    Ok(unfinished)
}

/// What follows a service.
struct Following {
    runner: Runner,
    space: Arc<Space>,
    life: Arc<Life>,
    command: Command,
    limits: Limits,
}

impl Following {
    async fn follow(self, word: String, input: Vec<u8>, stop: Cancel) {
        let Self { runner, space, life, command, limits } = self;
        let Runner { container, streams, cgroup, .. } = runner;
        let mut watched = Watched::new(container, cgroup, &space, &limits, &word);
        let end = watched.follow(streams, &input, &mut ToTail(&life.tail), &stop).await;
        let ended = match end {
            Ok(end) => watched.conclude(end, &command).await,
            Err(error) => Err(error),
        };
        let ended = match ended {
            Ok((seen, _)) => match judge(&seen, watched.asked, &limits) {
                Ok(verdict) => Ended::By(verdict),
                // Without a word of its own it was killed from outside, and not by us.
                Err(_) => Ended::By(ExitVerdict::Signalled(Signal::KILL.as_raw())),
            },
            Err(error) => Ended::Never(Some(error)),
        };
        let container = watched.into_container();
        *life.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended);
        if let Err(error) = container.end().await {
            tracing::warn!(%error, "the container of a service could not be removed");
        }
    }
}

/// Waits until the service is ready.
async fn wait(
    session: &DockerSession,
    service: &Service,
    until: Instant,
    cancel: &Cancel,
) -> Result<()> {
    let mut pause = PAUSES.0;
    let mut answer = Vec::new();
    loop {
        let is_ready = match &service.ready {
            Readiness::Command(line) => {
                answer.clear();
                ask(session, line, until, &mut answer, cancel).await?
            }
            Readiness::Port(port) => listens(session, *port, until, cancel).await?,
            _ => return Err(unknown_readiness()),
        };
        match session.services(|all| end_of(all, service))? {
            None if is_ready => return Ok(()),
            None => {}
            Some(Ended::By(verdict)) => return Err(ended_early(service, verdict)),
            Some(Ended::Never(error)) => {
                let error = error.unwrap_or_else(|| ended_early(service, ExitVerdict::Cancelled));
                return Err(error.context("service", &service.name));
            }
        }
        if cancel.is_cancelled() {
            return Err(start_was_cancelled());
        }
        if Instant::now() >= until {
            return Err(too_late(service, &answer));
        }
        let wake = (Instant::now() + pause).min(until);
        pause = (pause * 2).min(PAUSES.1);
        tokio::select! {
            () = tokio::time::sleep_until(wake.into()) => {}
            () = cancel.cancelled() => {}
        }
    }
}

/// How a service ended; what kept it from beginning is handed out once.
fn end_of(all: &[Started], service: &Service) -> Option<Ended> {
    let started = all.iter().find(|started| started.name == service.name)?;
    started.ended().as_mut().map(|ended| match ended {
        Ended::By(verdict) => Ended::By(*verdict),
        Ended::Never(error) => Ended::Never(error.take()),
    })
}

/// Whether a line for the shell succeeds in the session.
async fn ask(
    session: &DockerSession,
    line: &str,
    until: Instant,
    answer: &mut Vec<u8>,
    cancel: &Cancel,
) -> Result<bool> {
    let mut command = Command::shell(line);
    let left = until.saturating_duration_since(Instant::now()).max(PAUSES.0);
    command.limits = Some(session.spec.limits.clone().wall(left).output(64 << 10));
    Ok(run::run(session, &command, answer, cancel).await?.verdict.is_success())
}

/// Prints the lists of sockets with what every shell has.
const LISTS: &str = "for list in tcp tcp6; do if [ -r /proc/self/net/$list ]; then \
                     while read -r line; do echo \"$line\"; done </proc/self/net/$list; fi; done";

/// Whether something listens on a port of the session: read here where the holder is a process of
/// this machine, by a command inside where not.
async fn listens(
    session: &DockerSession,
    port: u16,
    until: Instant,
    cancel: &Cancel,
) -> Result<bool> {
    if let Ok(local) = &session.space()?.local {
        return Ok(local.listens(port));
    }
    let mut lists = Vec::new();
    ask(session, LISTS, until, &mut lists, cancel).await?;
    Ok(String::from_utf8_lossy(&lists).lines().any(|line| is_listener(line, port)))
}

/// Ends a service that did not become ready, and adds what it said last to why.
async fn stopped(session: &DockerSession, service: &Service, error: Error) -> Result<Error> {
    let found = session.services(|all| {
        let one = all.iter_mut().find(|one| one.name == service.name)?;
        Some((one.end(), Arc::clone(&one.life)))
    })?;
    let Some((ending, life)) = found else { return Ok(error) };
    ending.await;
    Ok(life.tail.tell(error))
}
