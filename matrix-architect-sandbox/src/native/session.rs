//! The server's side of a session.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{
        ByteStream, Cancel, Collect, Command, Connection, Exit, Limits, Network, Output, Service,
        ServiceState, Session, SessionSpec, Tree,
    },
};
use tokio::{
    io::{AsyncReadExt as _, unix::AsyncFd},
    net::unix::pipe,
    sync::{Mutex, OwnedMutexGuard},
};

use super::{
    door::Door,
    fill::fill,
    link::{self, AsyncLink},
    prepared::Prepared,
    run,
    sandbox::Shared,
    service::{self, Started},
    sys,
    warm::Standing,
    wire::{CollectRequest, Reply, Request},
};
use crate::common::{Held, Unfinished, take_turn, too_large};

/// How long the end of a session's processes may take.
const END: Duration = Duration::from_secs(10);

/// How long a collection may say nothing to who waits for it.
const SILENCE: Duration = Duration::from_mins(2);

/// A session of the native sandbox.
#[derive(Debug)]
pub(super) struct NativeSession {
    pub(super) shared: Arc<Shared>,
    pub(super) spec: SessionSpec,
    /// The way out, if there is one.
    pub(super) door: Option<Door>,
    line: Arc<Line>,
    /// One command at a time, and what is ready for the next.
    turn: Arc<Mutex<Turn>>,
}

/// What whoever has the session's turn may use.
#[derive(Debug)]
pub(super) struct Turn {
    prepared: Option<Prepared>,
    commands: u64,
    /// In the order of their start.
    pub(super) services: Vec<Started>,
}

/// The connection to the session's first process, which ends with it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) link: AsyncLink,
    /// Readable when the process and with it the whole session has ended.
    pidfd: AsyncFd<OwnedFd>,
    cut: AtomicBool,
}

impl Held for Line {
    fn is_given_up(&self) -> bool {
        self.cut.load(Ordering::Relaxed)
    }

    fn give_up(&self) {
        self.cut.store(true, Ordering::Relaxed);
        self.link.cut();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl NativeSession {
    /// Takes a session into use: makes ready for the first command, while the session may still be
    /// building itself, and fills the tree.
    pub(super) async fn open(
        shared: &Arc<Shared>,
        standing: Standing,
        tree: &dyn Tree,
        spec: &SessionSpec,
    ) -> Result<Self> {
        let link = standing.link.into_async()?;
        let limits = &spec.limits;
        let prepared = match standing.prepared.filter(|made| made.fits(limits)) {
            Some(prepared) => Ok(prepared),
            // Made ready beside what follows.
            None => prepare(shared, &link, limits).await,
        };
        // After what may need one of the runtime's threads: packing has one until all is taken.
        let packed = tree.pack().await?;
        // A session that does not stand says why, which is more than that it cannot be asked.
        let (process, folder) = stands(&link).await?;
        let prepared = prepared?;
        let pidfd = sys::watch(process).map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "a sandbox session cannot be watched").source(cause)
        })?;
        if standing.disk != limits.disk {
            resize(&link, limits.disk).await?;
        }
        fill(folder, standing.user, packed).await?;
        // One that stood by may have said that it stands long before it was ended.
        if sys::has_ended(pidfd.get_ref().as_fd()) {
            return Err(link::ended());
        }
        let door = match &spec.network {
            Network::Egress(egress) => Some(Door::open(&link, &shared.proxy, egress).await?),
            _ => None,
        };
        let line = Arc::new(Line { link, pidfd, cut: AtomicBool::new(false) });
        let turn = Arc::new(Mutex::new(Turn {
            prepared: Some(prepared),
            commands: 0,
            services: Vec::new(),
        }));
        Ok(Self { shared: Arc::clone(shared), spec: spec.clone(), door, line, turn })
    }

    /// Waits for the session's turn; until the work is finished, dropping it closes the session.
    pub(super) async fn turn(
        &self,
    ) -> Result<(OwnedMutexGuard<Turn>, Arc<Line>, Unfinished<Line>)> {
        let (turn, unfinished) = take_turn(&self.turn, &self.line).await?;
        Ok((turn, Arc::clone(&self.line), unfinished))
    }
}

impl Turn {
    /// What is ready for a command with these limits, or is made so now.
    pub(super) async fn take(
        &mut self,
        shared: &Arc<Shared>,
        line: &Line,
        limits: &Limits,
    ) -> Result<Prepared> {
        self.commands += 1;
        if let Some(prepared) = self.prepared.take_if(|made| made.fits(limits)) {
            return Ok(prepared);
        }
        let prepared = prepare(shared, &line.link, limits).await?;
        // Not before: only now the session ends the seat in them.
        self.prepared = None;
        Ok(prepared)
    }

    /// Leaves it for a command that may have it.
    pub(super) fn put_back(&mut self, prepared: Prepared) {
        self.prepared = Some(prepared);
    }

    /// Leaves all cgroups to other sessions, when everything in this one has ended.
    fn give_back(&mut self) {
        if let Some(prepared) = &mut self.prepared {
            prepared.group.give_back();
        }
        self.services.iter_mut().for_each(Started::give_back);
    }

    /// Makes ready for another command like the last one, in a session that has shown that it has
    /// more than one.
    pub(super) async fn look_ahead(&mut self, shared: &Arc<Shared>, line: &Line, limits: &Limits) {
        if self.commands > 1 {
            // What fails now is tried again when it is needed, and told then.
            self.prepared = prepare(shared, &line.link, limits).await.ok();
        }
    }
}

async fn prepare(shared: &Arc<Shared>, link: &AsyncLink, limits: &Limits) -> Result<Prepared> {
    let ready = Prepared::reusing(shared, limits).map_err(run::no_group)?;
    let (prepared, preparation) = if let Some(ready) = ready {
        ready
    } else {
        let (shared, limits) = (Arc::clone(shared), limits.clone());
        run::make_group(move || Prepared::new(&shared, &limits)).await?
    };
    let (request, with) = preparation.message();
    link.send(request, &with).await?;
    Ok(prepared)
}

/// Waits until the session stands and takes the pidfd of its first process and the folder of its
/// tree.
async fn stands(link: &AsyncLink) -> Result<(OwnedFd, OwnedFd)> {
    match link.prompt_answer().await? {
        (Reply::Ready(lacking), with) => {
            if let Some((_, fault)) = lacking.into_iter().next() {
                return Err(fault.into_error());
            }
            let [process, folder] = <[OwnedFd; 2]>::try_from(with).map_err(|_| {
                Error::unexpected("a sandbox session came without its pidfd and its folder")
            })?;
            Ok((process, folder))
        }
        (Reply::Failed(fault), _) => Err(fault.into_error()),
        _ => Err(Error::unexpected("a sandbox session spoke out of turn")),
    }
}

/// Gives the session's writable space the size that its limits say.
async fn resize(link: &AsyncLink, disk: u64) -> Result<()> {
    link.send(&Request::Resize { disk }, &[]).await?;
    match link.prompt_answer().await?.0 {
        Reply::Done => Ok(()),
        Reply::Failed(fault) => Err(fault.into_error()),
        _ => Err(Error::unexpected("a sandbox session spoke out of turn")),
    }
}

#[async_trait]
impl Session for NativeSession {
    async fn run(
        &self,
        command: &Command,
        output: &mut dyn Output,
        cancel: &Cancel,
    ) -> Result<Exit> {
        run::run(self, command, output, cancel).await
    }

    async fn start(&self, service: &Service, cancel: &Cancel) -> Result<()> {
        service::start(self, service, cancel).await
    }

    async fn services(&self) -> Result<Vec<ServiceState>> {
        service::states(self).await
    }

    async fn connections(&self) -> Result<Vec<Connection>> {
        Ok(self.door.as_ref().map_or_else(Vec::new, |door| door.proxy.connections()))
    }

    async fn collect(&self, what: &Collect) -> Result<ByteStream> {
        let (turn, line, unfinished) = self.turn().await?;
        let (read, write) = pipe_pair()?;
        let request = Request::Collect(CollectRequest {
            patterns: what.patterns.clone(),
            max_bytes: what.max_bytes,
            max_entries: what.max_entries,
        });
        line.link.send(&request, &[write.as_fd()]).await?;
        drop(write);
        let reader = pipe::Receiver::from_owned_fd(read).map_err(no_pipe)?;
        let state = Some(Collecting { reader, line, unfinished, _turn: turn });
        Ok(ByteStream::new(futures_util::stream::try_unfold(state, |state| async {
            match state {
                Some(collecting) => collecting.next().await,
                None => Ok(None),
            }
        })))
    }

    async fn close(mut self: Box<Self>) -> Result<()> {
        // A network is given up only when nobody listens in it any more.
        if let Some(door) = self.door.take() {
            door.proxy.end().await;
        }
        let _ = self.line.link.send(&Request::Close, &[]).await;
        self.line.give_up();
        let ended = tokio::time::timeout(END, self.line.pidfd.readable()).await;
        if ended.is_ok()
            && let Ok(mut turn) = self.turn.try_lock()
        {
            turn.give_back();
        }
        if self.shared.warm.is_used() {
            let shared = Arc::clone(&self.shared);
            // Nobody waits for it.
            drop(tokio::task::spawn_blocking(move || shared.warm.fill(&shared)));
        }
        if ended.is_ok() {
            return Ok(());
        }
        let killed = rustix::process::pidfd_send_signal(
            self.line.pidfd.get_ref(),
            rustix::process::Signal::KILL,
        );
        killed.map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "a sandbox session does not end")
                .source(std::io::Error::from(cause))
        })
    }
}

fn pipe_pair() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(|cause| no_pipe(cause.into()))
}

fn no_pipe(cause: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "no pipe to the sandbox session").source(cause)
}

/// An archive on its way out.
#[derive(Debug)]
struct Collecting {
    reader: pipe::Receiver,
    line: Arc<Line>,
    unfinished: Unfinished<Line>,
    _turn: OwnedMutexGuard<Turn>,
}

impl Collecting {
    async fn next(mut self) -> Result<Option<(bytes::Bytes, Option<Self>)>> {
        let mut piece = bytes::BytesMut::with_capacity(64 << 10);
        let read = tokio::time::timeout(SILENCE, self.reader.read_buf(&mut piece));
        let read = read.await.map_err(io::Error::from).flatten().map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the archive from the sandbox broke off")
                .source(cause)
        })?;
        if read > 0 {
            return Ok(Some((piece.freeze(), Some(self))));
        }
        let reply = self.line.link.prompt_answer().await?.0;
        self.unfinished.finish();
        match reply {
            Reply::Done => Ok(None),
            Reply::TooLarge { what, cap } => Err(too_large(&what, cap)),
            Reply::Failed(fault) => Err(fault.into_error()),
            _ => Err(Error::unexpected("a sandbox session spoke out of turn")),
        }
    }
}
