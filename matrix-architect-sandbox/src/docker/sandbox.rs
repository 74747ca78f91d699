//! The sandbox: what the engine can do, and opening sessions.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{
        Enforcement, LimitReport, Limits, Network, Sandbox, SandboxCapabilities, Session,
        SessionSpec, Tree,
    },
};

use super::{
    binds::check_binds,
    config::{ContainerRuntime, DockerConfig},
    door::{self, Door},
    engine::{self, Background, Coming, Engine},
    image,
    labels::{self, Labels, Owner},
    local::Unreachable,
    maker::{Maker, Place, Runner},
    reap,
    session::DockerSession,
    shape::Bounds,
    space::Space,
};
use crate::{
    common::{check_limits, refuse_absent, report},
    egress::Proxy,
};

/// Containers of a Docker engine. Cheap to clone; clones share one connection and one pool.
///
/// When the last clone and the last session are dropped, the thread that drops them waits until
/// the engine has removed what they had.
#[derive(Clone, Debug)]
pub struct DockerSandbox(Arc<Shared>);

/// What all sessions of a sandbox share.
#[derive(Debug)]
pub(super) struct Shared {
    /// `None` only at the very end.
    maker: Option<Arc<Maker>>,
    owner: Owner,
    proven: Vec<LimitReport>,
    /// Whether the server can listen inside.
    way_out: std::result::Result<(), Unreachable>,
    proxy: Proxy,
    warm: Mutex<Vec<Warm>>,
    background: Background,
}

/// A session that is kept ready, or comes.
#[derive(Debug)]
struct Warm {
    like: Like,
    coming: Coming<Ready>,
}

/// Which sessions can take each other's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Like {
    disk: u64,
    bounds: Bounds,
}

/// A space, and the container of its first command.
#[derive(Debug)]
struct Ready {
    space: Space,
    runner: Runner,
}

impl DockerSandbox {
    /// Connects to the engine and proves every layer in a container of its own.
    ///
    /// # Errors
    /// `Invalid` for a bad configuration or an image without a shell; `NotFound` for an image that
    /// the engine does not have; `Denied` if the socket may not be used; `Unsupported` if the
    /// engine is too old or does not have the runtime; `Unavailable` if there is no engine.
    pub async fn connect(config: DockerConfig) -> Result<Self> {
        config.validate()?;
        let owner = Owner::this()?;
        let (engine, background) = engine::connect(&config.socket).await?;
        check_runtime(&engine, config.runtime).await?;
        let image = image::resolve(&engine, &config).await?;
        let maker = Arc::new(Maker { engine, config, image, labels: Labels::new(&owner) });
        let limits = Limits::default();
        let like = Like { disk: limits.disk, bounds: Bounds::of(&limits) };
        let ready = make(&maker, like).arrive().await?;
        let mut proven = ready.runner.held.clone();
        proven.push(disk(&ready.space, limits.disk));
        let way_out = door::try_out(&ready.space).await;
        let Ready { space, runner } = ready;
        drop((runner, space));
        let proxy = Proxy::new(maker.config.proxy.clone());
        let (maker, warm) = (Some(maker), Mutex::default());
        Ok(Self(Arc::new(Shared { maker, owner, proven, way_out, proxy, warm, background })))
    }

    /// The label, as `key=value`, of all containers and volumes of this sandbox; for monitoring.
    pub fn label(&self) -> String {
        self.0.maker().labels.filter()
    }

    /// Whether sessions can be let out to named hosts.
    pub(super) fn way_out(&self) -> std::result::Result<(), Unreachable> {
        self.0.way_out
    }

    /// The digest of the image that commands run in.
    pub fn image(&self) -> &str {
        &self.0.maker().image.recorded
    }
}

/// How the disk limit is held.
pub(super) fn disk(space: &Space, wanted: u64) -> LimitReport {
    let by = "size of the session's volume in memory";
    if space.has(wanted) {
        return report("disk", Enforcement::Enforced, by);
    }
    report("disk", Enforcement::Absent, &format!("{by}: a command cannot have another"))
}

async fn check_runtime(engine: &Engine, runtime: ContainerRuntime) -> Result<()> {
    let Some(name) = runtime.name() else { return Ok(()) };
    let info = engine.ask("the engine could not be asked", engine.docker.info()).await?;
    if info.runtimes.is_some_and(|runtimes| runtimes.contains_key(name)) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Unsupported, "the Docker engine does not have the runtime")
        .code("no_runtime")
        .context("runtime", name)
        .advice("install gVisor and register it: runsc install && systemctl reload docker"))
}

/// Makes a session ahead, in the background.
fn make(maker: &Arc<Maker>, like: Like) -> Coming<Ready> {
    let background = Arc::clone(maker);
    maker.engine.make(async move {
        let space = Space::make(&background, like.disk, std::collections::HashMap::new()).await?;
        let runner = background.runner(&Place::in_space(&space), like.bounds).arrive().await?;
        Ok(Ready { space, runner })
    })
}

impl Shared {
    pub(super) fn maker(&self) -> &Arc<Maker> {
        let maker = self.maker.as_ref();
        maker.unwrap_or_else(|| unreachable!("it is taken when this is dropped"))
    }

    fn warm(&self) -> std::sync::MutexGuard<'_, Vec<Warm>> {
        self.warm.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a session that is kept ready, and keeps others ready like it.
    fn take_warm(&self, like: Like) -> Option<Coming<Ready>> {
        let maker = self.maker();
        let mut warm = self.warm();
        warm.retain(|warm| warm.like == like);
        let taken = (!warm.is_empty()).then(|| warm.remove(0).coming);
        while warm.len() < maker.config.warm {
            warm.push(Warm { like, coming: make(maker, like) });
        }
        taken
    }

    async fn space(&self, spec: &SessionSpec) -> Result<(Space, Option<Runner>)> {
        let like = Like { disk: spec.limits.disk, bounds: Bounds::of(&spec.limits) };
        if spec.binds.is_empty()
            && let Some(warm) = self.take_warm(like)
            // One that did not come to be is no reason not to try another.
            && let Ok(Ready { space, runner }) = warm.arrive().await
        {
            return Ok((space, Some(runner)));
        }
        let (maker, session) = (Arc::clone(self.maker()), labels::of_session(spec));
        let disk = spec.limits.disk;
        let made =
            self.maker().engine.make(async move { Space::make(&maker, disk, session).await });
        Ok((made.arrive().await?, None))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.warm().clear();
        self.maker = None;
        self.background.wait();
    }
}

#[async_trait]
impl Sandbox for DockerSandbox {
    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities {
            driver: "docker".to_owned(),
            enforcement: self.0.proven.clone(),
            egress: self.0.way_out.is_ok(),
            services: self.0.maker().config.runtime == ContainerRuntime::Engine,
        }
    }

    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>> {
        check_limits(&spec.limits)?;
        check_binds(&spec.binds)?;
        if spec.network != Network::Isolated {
            self.0.way_out.map_err(Unreachable::error)?;
        }
        if !spec.allow_degraded {
            refuse_absent(&self.0.proven)?;
        }
        let maker = self.0.maker();
        let (space, ready) = self.0.space(spec).await?;
        let mut place = Place::in_space(&space);
        place.binds.clone_from(&spec.binds);
        place.session = labels::of_session(spec);
        let next = match ready {
            Some(ready) => Coming::here(ready),
            None => maker.runner(&place, Bounds::of(&spec.limits)),
        };
        space.fill(maker, tree).await?;
        let door = match &spec.network {
            Network::Egress(egress) => Some(Door::open(&space, &self.0.proxy, egress).await?),
            _ => None,
        };
        let shared = Arc::clone(&self.0);
        Ok(Box::new(DockerSession::new(shared, spec.clone(), door, (space, place, next))))
    }

    async fn reap(&self) -> Result<u64> {
        reap::reap(&self.0.maker().engine, &self.0.owner).await
    }
}
