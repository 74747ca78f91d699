//! Everything that is needed to make containers.

use std::sync::Arc;

use matrix_architect_core::{
    error::Result,
    traits::{Bind, LimitReport},
};

use super::{
    cgroup::Cgroup,
    config::DockerConfig,
    container::{Container, Streams},
    engine::{Coming, Engine},
    held::{self, Evidence},
    image::Image,
    labels::Labels,
    shape::{self, Bounds},
    space::Space,
};

/// Makes what sessions need.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) engine: Engine,
    pub(super) config: DockerConfig,
    pub(super) image: Image,
    pub(super) labels: Labels,
}

/// A container that waits for its command.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) container: Container,
    pub(super) streams: Streams,
    pub(super) bounds: Bounds,
    /// Where the engine runs on this machine.
    pub(super) cgroup: Option<Cgroup>,
    /// How each layer and limit is held, read back.
    pub(super) held: Vec<LimitReport>,
}

/// Where a runner belongs.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// The space's name.
    pub(super) space: String,
    /// Where the space is on the engine's machine.
    pub(super) path: String,
    /// What is shown inside beside it.
    pub(super) binds: Vec<Bind>,
    /// Its network, as the engine takes it.
    pub(super) network: String,
    /// Whether that was seen to be nobody else's.
    pub(super) is_isolated: bool,
    /// The labels of the session.
    pub(super) session: std::collections::HashMap<String, String>,
}

impl Place {
    pub(super) fn in_space(space: &Space) -> Self {
        Self {
            space: space.name.clone(),
            path: space.place.clone(),
            binds: Vec::new(),
            network: space.network(),
            is_isolated: space.is_isolated,
            session: std::collections::HashMap::new(),
        }
    }
}

impl Maker {
    /// Makes a runner in the background.
    pub(super) fn runner(self: &Arc<Self>, place: &Place, bounds: Bounds) -> Coming<Runner> {
        let (maker, place) = (Arc::clone(self), place.clone());
        self.engine.make(async move { maker.park(&place, bounds).await })
    }

    async fn park(&self, place: &Place, bounds: Bounds) -> Result<Runner> {
        let mut labels = self.labels.of(&place.space, "runner");
        labels.extend(place.session.clone());
        let image = &self.image.id;
        let body = shape::runner(&self.config, image, place, &bounds, labels);
        let (container, streams) = Container::start(&self.engine, body).await?;
        let inspected = container.inspect().await?;
        let pid = inspected.state.as_ref().and_then(|state| state.pid).unwrap_or(0);
        let cgroup = Cgroup::of(pid, &container.id);
        let evidence = Evidence {
            inspected: &inspected,
            cgroup: cgroup.as_ref(),
            bounds: &bounds,
            runtime: self.config.runtime,
            image: &self.image,
            place,
        };
        let held = held::reports(&evidence);
        Ok(Runner { container, streams, bounds, cgroup, held })
    }
}
