//! Ends what owners that have died left behind.

use std::collections::{BTreeMap, HashMap};

use bollard::{
    models::ContainerSummaryStateEnum,
    query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder},
};
use matrix_architect_core::error::Result;

use super::{
    container::{remove, remove_volume},
    engine::Engine,
    fault::fault,
    labels::{OWNER, Owner, ROLE, SPACE},
};

/// Everything of one session, or of one that was kept ready.
#[derive(Debug, Default)]
struct Orphan {
    owner: Option<Owner>,
    containers: Vec<String>,
    volumes: Vec<String>,
    /// Whether the container that waits for its owner's end still waits.
    is_held: bool,
    /// Whether that container was there at all: a space begins with its volume.
    had_holder: bool,
}

impl Orphan {
    /// Whether its owner has died: by its process if that is one of this machine, else by the
    /// holder, whose input ended with its owner's connection.
    fn is_one(&self, this: &Owner) -> bool {
        let Some(owner) = &self.owner else { return false };
        if owner == this {
            return false;
        }
        owner.is_dead().unwrap_or(self.had_holder && !self.is_held)
    }
}

/// Removes them and returns how many sessions they were.
pub(super) async fn reap(engine: &Engine, this: &Owner) -> Result<u64> {
    let mut reaped = 0;
    for (_, orphan) in found(engine).await?.into_iter().filter(|(_, found)| found.is_one(this)) {
        for id in &orphan.containers {
            let removed = remove(&engine.docker, id).await;
            removed
                .map_err(|cause| fault("a container left behind could not be removed", cause))?;
        }
        for name in &orphan.volumes {
            let removed = remove_volume(&engine.docker, name).await;
            removed.map_err(|cause| fault("a volume left behind could not be removed", cause))?;
        }
        reaped += 1;
    }
    Ok(reaped)
}

/// All of ours, whoever's it is, by space.
async fn found(engine: &Engine) -> Result<BTreeMap<String, Orphan>> {
    let filters = || HashMap::from([("label", vec![OWNER])]);
    let mut spaces: BTreeMap<String, Orphan> = BTreeMap::new();
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters()).build();
    let list = engine.docker.list_containers(Some(options));
    for container in engine.ask("containers could not be listed", list).await? {
        let (Some(labels), Some(id)) = (container.labels, container.id) else { continue };
        let Some(space) = labels.get(SPACE) else { continue };
        let orphan = spaces.entry(space.clone()).or_default();
        orphan.owner = labels.get(OWNER).and_then(|label| Owner::parse(label));
        orphan.containers.push(id);
        if labels.get(ROLE).is_some_and(|role| role == "holder") {
            let ended = [ContainerSummaryStateEnum::EXITED, ContainerSummaryStateEnum::DEAD];
            orphan.had_holder = true;
            orphan.is_held = !container.state.is_some_and(|state| ended.contains(&state));
        }
    }
    let options = ListVolumesOptionsBuilder::default().filters(&filters()).build();
    let list = engine.docker.list_volumes(Some(options));
    let volumes = engine.ask("volumes could not be listed", list).await?.volumes;
    for volume in volumes.into_iter().flatten() {
        let Some(space) = volume.labels.get(SPACE) else { continue };
        let orphan = spaces.entry(space.clone()).or_default();
        orphan.owner = volume.labels.get(OWNER).and_then(|label| Owner::parse(label));
        orphan.volumes.push(volume.name);
    }
    Ok(spaces)
}
