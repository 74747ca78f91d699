//! The connection to the engine, and what goes on in the background: making containers ahead,
//! and removing what is let go.

use std::{
    future::Future,
    path::Path,
    pin::Pin,
    sync::{Mutex, PoisonError, mpsc as threads},
    time::Duration,
};

use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker, errors::Error as EngineError};
use matrix_architect_core::error::{Error, ErrorKind, Result};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use super::fault::{fault, unreachable};

/// How long the engine may take to answer, in seconds.
const PATIENCE: u64 = 60;
/// The least version that has all we ask for: Docker 20.10.
const LEAST: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };
/// How long an end may wait for what is being removed.
const END: Duration = Duration::from_secs(20);

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The engine, and a thread that works for us beside whoever calls. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Engine {
    pub(super) docker: Docker,
    work: mpsc::UnboundedSender<Shown>,
}

/// Work has no form to be shown in.
struct Shown(Work);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Work")
    }
}

/// The thread behind an engine. It ends when all engines and all work of it have.
#[derive(Debug)]
pub(super) struct Background(Mutex<threads::Receiver<()>>);

impl Background {
    /// Waits until nothing is under way. No [`Engine`] may be left, or it waits in vain.
    pub(super) fn wait(&self) {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.recv_timeout(END) == Err(threads::RecvTimeoutError::Timeout) {
            tracing::warn!("the Docker engine is slow to remove what is not needed any more");
        }
    }
}

/// Connects, in a version that both sides speak.
pub(super) async fn connect(socket: &Path) -> Result<(Engine, Background)> {
    let docker = negotiated(socket).await?;
    let (work, ended) = background()?;
    Ok((Engine { docker, work }, Background(Mutex::new(ended))))
}

async fn negotiated(socket: &Path) -> Result<Docker> {
    let path = socket.to_string_lossy();
    let mut refused = None;
    // An engine refuses to say its version to whoever asks in one that it does not know.
    for version in [API_DEFAULT_VERSION, &LEAST] {
        let docker = Docker::connect_with_unix(&path, PATIENCE, version)
            .map_err(|cause| unreachable(socket, cause))?;
        match docker.negotiate_version().await {
            Ok(docker) => return new_enough(docker),
            Err(cause @ EngineError::DockerResponseServerError { status_code: 400, .. }) => {
                refused = Some(cause);
            }
            Err(cause) => return Err(unreachable(socket, cause)),
        }
    }
    let error = too_old();
    Err(refused.map_or_else(too_old, |cause| error.source(cause)))
}

fn new_enough(docker: Docker) -> Result<Docker> {
    if docker.client_version() < LEAST { Err(too_old()) } else { Ok(docker) }
}

fn too_old() -> Error {
    Error::new(ErrorKind::Unsupported, "the Docker engine speaks no version of the API that we do")
        .code("docker_version")
        .advice("install Docker 20.10 or newer")
}

/// Starts the thread.
fn background() -> Result<(mpsc::UnboundedSender<Shown>, threads::Receiver<()>)> {
    let failed = |cause| {
        Error::new(ErrorKind::Unavailable, "no thread for the Docker sandbox can be started")
            .source(cause)
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (work, mut incoming) = mpsc::unbounded_channel::<Shown>();
    let (told, ended) = threads::channel();
    let serve = async move {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                next = incoming.recv() => match next {
                    Some(Shown(work)) => drop(tasks.spawn(work)),
                    None => break,
                },
                Some(_) = tasks.join_next() => {}
            }
        }
        while tasks.join_next().await.is_some() {}
    };
    let run = move || {
        runtime.block_on(serve);
        // What it has open is gone before anybody is told.
        drop(runtime);
        let _ = told.send(());
    };
    std::thread::Builder::new().name("docker-sandbox".to_owned()).spawn(run).map_err(failed)?;
    Ok((work, ended))
}

/// What the background is making.
#[derive(Debug)]
pub(super) struct Coming<T>(oneshot::Receiver<Result<T>>);

impl<T> Coming<T> {
    /// What is there already.
    pub(super) fn here(made: T) -> Self {
        let (sender, receiver) = oneshot::channel();
        let _ = sender.send(Ok(made));
        Self(receiver)
    }

    /// Waits for it. If this is dropped instead, so is what was made.
    pub(super) async fn arrive(self) -> Result<T> {
        let gone = |cause| {
            Error::unexpected("the background of the Docker sandbox broke off").source(cause)
        };
        self.0.await.map_err(gone)?
    }
}

impl Engine {
    /// Makes something in the background, whatever becomes of the caller.
    pub(super) fn make<T: Send + 'static>(
        &self,
        making: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Coming<T> {
        let (sender, receiver) = oneshot::channel();
        self.later(async move {
            // Whoever is not there any more to take it lets it go.
            let _ = sender.send(making.await);
        });
        Coming(receiver)
    }

    /// Does something in the background.
    pub(super) fn later(&self, work: impl Future<Output = ()> + Send + 'static) {
        let _ = self.work.send(Shown(Box::pin(work)));
    }

    /// Asks the engine.
    pub(super) async fn ask<T>(
        &self,
        attempted: &'static str,
        question: impl Future<Output = std::result::Result<T, EngineError>>,
    ) -> Result<T> {
        question.await.map_err(|cause| fault(attempted, cause))
    }
}
