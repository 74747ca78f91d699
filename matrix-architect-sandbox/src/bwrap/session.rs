//! A session: a space of its own, and one `bwrap` after the other over it.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex as Lock, MutexGuard as LockGuard, PoisonError},
};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{
        ByteStream, Cancel, Collect, Command, Connection, Exit, Output, Service, ServiceState,
        Session, SessionSpec, Tree,
    },
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{arguments::Folders, run, sandbox::Shared, space::Space};
use crate::{
    common::{Held, Unfinished, file_stream, take_turn},
    native::collect_beneath,
    workspace::{DirTree, ScratchDir, TreeLimits, unpack},
};

/// A session of the bubblewrap sandbox.
#[derive(Debug)]
pub(super) struct BwrapSession {
    pub(super) shared: Arc<Shared>,
    pub(super) spec: SessionSpec,
    pub(super) folders: Folders,
    /// What only we use.
    own: PathBuf,
    rooms: Arc<Rooms>,
    /// One command at a time.
    turn: Arc<Mutex<()>>,
}

/// The directories of a session, which go with it; none once it is closed.
#[derive(Debug)]
pub(super) struct Rooms(Lock<Option<Room>>);

#[derive(Debug)]
struct Room {
    space: Space,
    /// Removed after the space in it is gone.
    _directory: ScratchDir,
}

impl Rooms {
    fn in_space<T>(&self, look: impl FnOnce(&mut Space) -> T) -> Result<T> {
        let mut rooms = self.lock();
        let room = rooms.as_mut().ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "the session is closed").code("session_closed")
        })?;
        Ok(look(&mut room.space))
    }

    fn lock(&self) -> LockGuard<'_, Option<Room>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held for Rooms {
    fn is_given_up(&self) -> bool {
        self.lock().is_none()
    }

    fn give_up(&self) {
        drop(self.lock().take());
    }
}

impl BwrapSession {
    /// A session on a copy of the tree.
    pub(super) async fn filled(
        shared: Arc<Shared>,
        tree: &dyn Tree,
        spec: SessionSpec,
    ) -> Result<Self> {
        let limits = TreeLimits { max_bytes: spec.limits.disk, ..TreeLimits::default() };
        let tree = unpack(&shared.scratch, tree.pack().await?, &limits).await.map_err(|error| {
            if error.code_str() == "too_large" {
                return error.advice("raise the session's disk limit");
            }
            error
        })?;
        Self::over(shared, spec, Some(tree)).await
    }

    /// A session on an empty tree.
    pub(super) async fn empty(shared: Arc<Shared>, spec: SessionSpec) -> Result<Self> {
        Self::over(shared, spec, None).await
    }

    async fn over(shared: Arc<Shared>, spec: SessionSpec, tree: Option<DirTree>) -> Result<Self> {
        let made = tokio::task::spawn_blocking(move || Self::make(shared, spec, tree.as_ref()));
        made.await.map_err(|cause| Error::unexpected("a session was not made").source(cause))?
    }

    fn make(shared: Arc<Shared>, spec: SessionSpec, tree: Option<&DirTree>) -> Result<Self> {
        let room = shared.scratch.directory()?;
        let failed = |cause| {
            Error::new(ErrorKind::Unavailable, "a session's folders could not be made")
                .context("directory", room.path().display())
                .advice("look at the free space and the permissions there")
                .source(cause)
        };
        let folder = |name: &str| {
            let path = room.path().join(name);
            std::fs::create_dir(&path).map_err(failed)?;
            Ok::<_, Error>(path)
        };
        let mut small = BTreeMap::new();
        let files = folder("files")?;
        for (number, (place, content)) in shared.root.files.iter().enumerate() {
            let path = files.join(number.to_string());
            std::fs::write(&path, content).map_err(failed)?;
            small.insert(place.clone(), path);
        }
        let tree = tree.and_then(|tree| tree.local());
        let space = Space::make(&folder("space")?, spec.limits.disk, tree)?;
        let folders = Folders {
            tree: space.inside("tree"),
            home: space.inside("home"),
            temporary: space.inside("tmp"),
            shared_memory: space.inside("shm"),
            files: small,
        };
        Ok(Self {
            shared,
            spec,
            folders,
            own: room.path().to_owned(),
            rooms: Arc::new(Rooms(Lock::new(Some(Room { space, _directory: room })))),
            turn: Arc::default(),
        })
    }

    /// Waits for the session's turn; until the work is finished, dropping it closes the session.
    pub(super) async fn turn(&self) -> Result<(OwnedMutexGuard<()>, Unfinished<Rooms>)> {
        take_turn(&self.turn, &self.rooms).await
    }

    /// A folder for the control files of the next command.
    pub(super) fn control_folder(&self) -> PathBuf {
        self.own.join(format!("control{}", self.shared.next()))
    }

    /// A program that runs where the session's space is mounted.
    pub(super) fn entering(&self) -> Result<std::process::Command> {
        self.in_space(|space| space.entering())
    }

    /// Whether the space takes no more; also if nobody can say.
    pub(super) fn is_full(&self) -> bool {
        !matches!(self.in_space(|space| space.is_full()), Ok(Ok(false)))
    }

    /// Bounds the space for a command.
    pub(super) async fn bound(&self, bytes: u64) -> Result<()> {
        let rooms = Arc::clone(&self.rooms);
        let bounded =
            tokio::task::spawn_blocking(move || rooms.in_space(|space| space.bound(bytes)));
        bounded.await.map_err(|cause| Error::unexpected("bounding did not end").source(cause))??
    }

    fn in_space<T>(&self, look: impl FnOnce(&mut Space) -> T) -> Result<T> {
        self.rooms.in_space(look)
    }
}

#[async_trait]
impl Session for BwrapSession {
    async fn run(
        &self,
        command: &Command,
        output: &mut dyn Output,
        cancel: &Cancel,
    ) -> Result<Exit> {
        run::run(self, command, output, cancel).await
    }

    async fn start(&self, _service: &Service, _cancel: &Cancel) -> Result<()> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "the bubblewrap sandbox runs no services: each of its commands has a network of its own",
        )
        .advice("use the native sandbox for suites with services"))
    }

    async fn services(&self) -> Result<Vec<ServiceState>> {
        Ok(Vec::new())
    }

    async fn connections(&self) -> Result<Vec<Connection>> {
        Ok(Vec::new())
    }

    async fn collect(&self, what: &Collect) -> Result<ByteStream> {
        let (_turn, unfinished) = self.turn().await?;
        let (tree, what) = (self.in_space(|space| space.outside("tree"))?, what.clone());
        let archive = self.own.join(format!("archive{}", self.shared.next()));
        // All of the session's processes have ended: what is archived does not change meanwhile.
        let collected = tokio::task::spawn_blocking(move || {
            let outcome = collect_beneath(&tree, &what, &archive);
            let file = std::fs::File::open(&archive);
            let _ = std::fs::remove_file(&archive);
            outcome.and_then(|()| {
                file.map_err(|cause| {
                    Error::new(ErrorKind::Unavailable, "the archive cannot be read").source(cause)
                })
            })
        });
        let file = collected
            .await
            .map_err(|cause| Error::unexpected("the collecting did not end").source(cause))?;
        unfinished.finish();
        Ok(match file {
            Ok(file) => file_stream(file),
            Err(error) => ByteStream::new(futures_util::stream::iter([Err(error)])),
        })
    }

    async fn close(self: Box<Self>) -> Result<()> {
        tokio::task::spawn_blocking(move || self.rooms.give_up())
            .await
            .map_err(|cause| Error::unexpected("a session could not be removed").source(cause))
    }
}
