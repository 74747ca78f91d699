//! The server's side of a session.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as Lock, MutexGuard as LockGuard, PoisonError},
};

use async_trait::async_trait;
use futures_util::future::join_all;
use matrix_architect_core::{
    error::Result,
    traits::{
        ByteStream, Cancel, Collect, Command, Connection, Exit, Output, Service, ServiceState,
        Session, SessionSpec,
    },
};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    collect,
    door::Door,
    engine::Coming,
    maker::{Place, Runner},
    run,
    sandbox::Shared,
    service::{self, Started},
    shape::Bounds,
    space::Space,
};
use crate::common::{Held, Unfinished, closed, take_turn};

/// A session of the Docker sandbox.
#[derive(Debug)]
pub(super) struct DockerSession {
    pub(super) shared: Arc<Shared>,
    pub(super) spec: SessionSpec,
    pub(super) env: BTreeMap<String, String>,
    /// The way out, if there is one. It goes before what it leads out of.
    door: Option<Door>,
    alive: Arc<Alive>,
    /// One command at a time.
    turn: Arc<Mutex<()>>,
    /// One start of a service at a time.
    pub(super) launching: Mutex<()>,
}

/// What a session has on the engine, until it is closed.
#[derive(Debug)]
pub(super) struct Alive(Lock<Option<Holdings>>);

#[derive(Debug)]
struct Holdings {
    /// In the order of their start.
    services: Vec<Started>,
    space: Arc<Space>,
    place: Place,
    /// The container of the next command.
    next: Option<Coming<Runner>>,
}

impl Alive {
    fn lock(&self) -> LockGuard<'_, Option<Holdings>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held for Alive {
    fn is_given_up(&self) -> bool {
        self.lock().is_none()
    }

    fn give_up(&self) {
        drop(self.lock().take());
    }
}

impl DockerSession {
    pub(super) fn new(
        shared: Arc<Shared>,
        spec: SessionSpec,
        door: Option<Door>,
        (space, place, next): (Space, Place, Coming<Runner>),
    ) -> Self {
        let space = Arc::new(space);
        let holdings = Holdings { services: Vec::new(), space, place, next: Some(next) };
        let alive = Arc::new(Alive(Lock::new(Some(holdings))));
        let mut env = spec.env.clone();
        env.extend(door.iter().flat_map(|door| door.environment.clone()));
        let (turn, launching) = (Arc::default(), Mutex::default());
        Self { shared, spec, env, door, alive, turn, launching }
    }

    /// Waits for the session's turn; until the work is finished, dropping it closes the session.
    pub(super) async fn turn(&self) -> Result<(OwnedMutexGuard<()>, Unfinished<Alive>)> {
        take_turn(&self.turn, &self.alive).await
    }

    /// The session's space.
    pub(super) fn space(&self) -> Result<Arc<Space>> {
        self.alive.lock().as_ref().map(|holdings| Arc::clone(&holdings.space)).ok_or_else(closed)
    }

    /// Looks at the session's services, or changes them.
    pub(super) fn services<T>(&self, look: impl FnOnce(&mut Vec<Started>) -> T) -> Result<T> {
        self.alive.lock().as_mut().map(|holdings| look(&mut holdings.services)).ok_or_else(closed)
    }

    /// A container with these bounds: the one that waits if it has them, else a new one. The next
    /// is made while the command runs.
    pub(super) async fn runner(&self, bounds: Bounds) -> Result<Runner> {
        let maker = self.shared.maker();
        let (waiting, place) = {
            let mut alive = self.alive.lock();
            let holdings = alive.as_mut().ok_or_else(closed)?;
            (holdings.next.take(), holdings.place.clone())
        };
        let ready = match waiting {
            Some(waiting) => Some(waiting.arrive().await?).filter(|ready| ready.bounds == bounds),
            None => None,
        };
        let runner = match ready {
            Some(ready) => ready,
            None => maker.runner(&place, bounds).arrive().await?,
        };
        if let Some(holdings) = self.alive.lock().as_mut() {
            holdings.next = Some(maker.runner(&place, Bounds::of(&self.spec.limits)));
        }
        Ok(runner)
    }
}

#[async_trait]
impl Session for DockerSession {
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
        Self::services(self, |all| all.iter().map(Started::state).collect())
    }

    async fn connections(&self) -> Result<Vec<Connection>> {
        Ok(self.door.as_ref().map_or_else(Vec::new, |door| door.proxy.connections()))
    }

    async fn collect(&self, what: &Collect) -> Result<ByteStream> {
        collect::collect(self, what).await
    }

    async fn close(mut self: Box<Self>) -> Result<()> {
        // A network is given up only when nobody listens in it any more.
        if let Some(door) = self.door.take() {
            door.proxy.end().await;
        }
        let Some(holdings) = self.alive.lock().take() else { return Ok(()) };
        let Holdings { mut services, space, next, .. } = holdings;
        // They are followed with the space in hand.
        join_all(services.iter_mut().map(Started::end)).await;
        // One that did not come to be is nobody's loss any more.
        let next = match next {
            Some(next) => next.arrive().await.ok(),
            None => None,
        };
        let next = async {
            match next {
                Some(next) => next.container.end().await,
                None => Ok(()),
            }
        };
        // An archive that is still on its way keeps the space until it is dropped.
        let space = async {
            match Arc::into_inner(space) {
                Some(space) => space.end().await,
                None => Ok(()),
            }
        };
        let (space, next) = tokio::join!(space, next);
        space.and(next)
    }
}
