//! Services: what runs beside a session's commands until the session ends.
//!
//! The session's first process starts them as it starts commands and keeps how they ended; nobody
//! waits for that, it is looked at. What they write is read here as it comes, so that a service is
//! never held up by a full pipe, and only the end of it is kept.

use std::{os::fd::AsFd as _, sync::Arc, time::Duration};

use bytes::Bytes;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{Cancel, Command, ExitVerdict, Limits, Readiness, Service, ServiceState},
};
use tokio::{
    io::AsyncReadExt as _, net::unix::pipe, sync::OwnedMutexGuard, task::JoinHandle, time::Instant,
};

use super::{
    cgroup::Group,
    fault::Fault,
    prepared::Prepared,
    run,
    session::{Line, NativeSession, Turn},
    verdict,
    wire::{Ended, Reply, Request, Services},
};
use crate::common::{
    Asked, Held as _, KEPT, PAUSES, Tail, Unfinished, check_command, check_limits, ended_early,
    name_is_taken, port_is_taken, refuse_absent, start_was_cancelled, too_late, unknown_readiness,
};

/// How long a service that was stopped may take to be gone, and what is left in its pipe to come.
const GRACE: Duration = Duration::from_secs(10);

/// A service that was started, whether it runs or not.
#[derive(Debug)]
pub(super) struct Started {
    name: String,
    limits: Limits,
    group: Group,
    tail: Arc<Tail>,
    /// Reads what it writes, and ends when nobody can write any more.
    reading: JoinHandle<()>,
    stopped: bool,
}

impl Drop for Started {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl Started {
    /// Leaves its cgroups to others, when everything in the session has ended.
    pub(super) fn give_back(&mut self) {
        self.group.give_back();
    }

    /// How it ended, with all it wrote read.
    async fn verdict(&mut self, ended: &Ended) -> ExitVerdict {
        if !self.reading.is_finished() {
            // Whoever else holds the pipe is not waited for.
            let _ = tokio::time::timeout(GRACE, &mut self.reading).await;
        }
        let asked = self.stopped.then_some(Asked::Cancel);
        let judged = verdict::judge(ended, asked, self.group.readings(), &self.limits);
        // Without a word of its own it was killed from outside, and not by us.
        judged.unwrap_or(ExitVerdict::Signalled(libc::SIGKILL))
    }
}

/// Starts a service and waits until it is ready. One that does not become so is ended.
pub(super) async fn start(
    session: &NativeSession,
    service: &Service,
    cancel: &Cancel,
) -> Result<()> {
    let limits = service.command.limits.as_ref().unwrap_or(&session.spec.limits).clone();
    check_command(&service.command)?;
    check_limits(&limits)?;
    if !session.shared.can_isolate_networks() {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "without a network of its own a session's services would be the machine's",
        )
        .advice("run `architect doctor` for the remedy"));
    }
    let until = Instant::now() + service.patience;
    let (place, unfinished) = launch(session, service, limits).await?;
    let outcome = wait(session, service, place, until, cancel).await;
    let outcome = match outcome {
        Ok(()) => Ok(()),
        Err(error) => {
            let tail = stop(session, place).await?;
            Err(tail.tell(error))
        }
    };
    unfinished.finish();
    outcome
}

/// Sends a service off and returns its place; until it is finished, dropping what comes along
/// closes the session.
async fn launch(
    session: &NativeSession,
    service: &Service,
    limits: Limits,
) -> Result<(usize, Unfinished<Line>)> {
    let (mut turn, line, unfinished) = session.turn().await?;
    if let Err(refused) = check_place(&turn, &line, service).await {
        unfinished.finish();
        return Err(refused);
    }
    let prepared = turn.take(&session.shared, &line, &limits).await?;
    let enforcement = run::enforcement(&session.shared, Some(&prepared.group), &limits);
    if !session.spec.allow_degraded
        && let Err(refused) = refuse_absent(&enforcement)
    {
        turn.put_back(prepared);
        unfinished.finish();
        return Err(refused);
    }
    let Prepared { group, .. } = prepared;
    let short = |cause: std::io::Error| {
        Error::new(ErrorKind::Unavailable, "the service's streams could not be opened")
            .source(cause)
    };
    let stdin = run::standard_input(&service.command.stdin).map_err(short)?;
    let (output, write) = run::output_pipe().map_err(short)?;
    let (request, meter) = run::request(session, &service.command, &limits, &group);
    let mut with = vec![stdin.as_fd(), write.as_fd(), write.as_fd()];
    with.extend(meter.as_ref().map(|meter| meter.as_fd()));
    line.link.send(&Request::Start(request), &with).await?;
    let tail = Arc::new(Tail::default());
    let reading = tokio::spawn(read(output, Arc::clone(&tail)));
    let name = service.name.clone();
    turn.services.push(Started { name, limits, group, tail, reading, stopped: false });
    Ok((turn.services.len() - 1, unfinished))
}

/// Refuses what could not be told from what runs already.
async fn check_place(turn: &Turn, line: &Line, service: &Service) -> Result<()> {
    if turn.services.iter().any(|other| other.name == service.name) {
        return Err(name_is_taken(service));
    }
    if let Readiness::Port(port) = service.ready
        && look(line, Some(port)).await?.listens
    {
        return Err(port_is_taken(service, port));
    }
    Ok(())
}

/// Keeps the end of what comes.
async fn read(mut from: pipe::Receiver, tail: Arc<Tail>) {
    let mut piece = vec![0; KEPT];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        tail.take(&piece[..read]);
    }
}

/// Asks how the services do, and whether something listens on a port. Whoever has the turn may.
async fn look(line: &Line, port: Option<u16>) -> Result<Services> {
    line.link.send(&Request::Look { port }, &[]).await?;
    match line.link.prompt_answer().await?.0 {
        Reply::Services(seen) => Ok(seen),
        _ => Err(Error::unexpected("a sandbox session spoke out of turn")),
    }
}

/// A look at one service.
#[derive(Debug)]
struct Seen {
    ended: Option<Result<Ended, Fault>>,
    listens: bool,
}

/// The turn, and how the service of that place does.
async fn look_at(
    session: &NativeSession,
    place: usize,
    port: Option<u16>,
) -> Result<(OwnedMutexGuard<Turn>, Seen)> {
    let (turn, line, unfinished) = session.turn().await?;
    let Services { mut ended, listens } = look(&line, port).await?;
    unfinished.finish();
    let Some(ended) = ended.get_mut(place).map(Option::take) else {
        return Err(Error::unexpected("a sandbox session forgot a service"));
    };
    Ok((turn, Seen { ended, listens }))
}

/// Waits until the service is ready.
async fn wait(
    session: &NativeSession,
    service: &Service,
    place: usize,
    until: Instant,
    cancel: &Cancel,
) -> Result<()> {
    let mut pause = PAUSES.0;
    let mut answer = Vec::new();
    loop {
        let (is_ready, port) = match &service.ready {
            Readiness::Command(line) => {
                answer.clear();
                (ask(session, line, until, &mut answer, cancel).await?, None)
            }
            Readiness::Port(port) => (false, Some(*port)),
            _ => return Err(unknown_readiness()),
        };
        let (mut turn, seen) = look_at(session, place, port).await?;
        match seen.ended {
            None if is_ready || seen.listens => return Ok(()),
            None => drop(turn),
            Some(ended) => return Err(early_end(service, &mut turn.services[place], ended).await),
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
            () = tokio::time::sleep_until(wake) => {}
            () = cancel.cancelled() => {}
        }
    }
}

async fn early_end(
    service: &Service,
    started: &mut Started,
    ended: std::result::Result<Ended, Fault>,
) -> Error {
    match ended {
        Err(fault) => fault.into_error().context("service", &service.name),
        Ok(Ended { not_executed: Some(errno), .. }) => {
            run::not_executed(&service.command, errno).context("service", &service.name)
        }
        Ok(ended) => ended_early(service, started.verdict(&ended).await),
    }
}

/// Whether the command that tells it says that the service is ready.
async fn ask(
    session: &NativeSession,
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

/// Ends a service and waits until nothing of it is left.
async fn stop(session: &NativeSession, place: usize) -> Result<Arc<Tail>> {
    let (mut turn, line, unfinished) = session.turn().await?;
    turn.services[place].stopped = true;
    line.link.send(&Request::Stop { place }, &[]).await?;
    unfinished.finish();
    drop(turn);
    let until = Instant::now() + GRACE;
    loop {
        let (mut turn, seen) = look_at(session, place, None).await?;
        let service = &mut turn.services[place];
        match seen.ended {
            Some(Ok(ended)) => {
                service.verdict(&ended).await;
            }
            None if Instant::now() < until => {
                drop(turn);
                tokio::time::sleep(PAUSES.0).await;
                continue;
            }
            None => {
                line.give_up();
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "a service does not end though killed",
                ));
            }
            Some(Err(_)) => {}
        }
        return Ok(Arc::clone(&service.tail));
    }
}

/// How the services do.
pub(super) async fn states(session: &NativeSession) -> Result<Vec<ServiceState>> {
    let (mut turn, line, unfinished) = session.turn().await?;
    let seen =
        if turn.services.is_empty() { Services::default() } else { look(&line, None).await? };
    unfinished.finish();
    let mut states = Vec::with_capacity(turn.services.len());
    for (service, ended) in turn.services.iter_mut().zip(seen.ended) {
        let ended = match ended {
            None => None,
            // It never began.
            Some(Err(_)) => Some(ExitVerdict::Cancelled),
            Some(Ok(ended)) => Some(service.verdict(&ended).await),
        };
        let output = Bytes::from(service.tail.kept());
        states.push(ServiceState::new(service.name.clone(), ended, output));
    }
    Ok(states)
}
