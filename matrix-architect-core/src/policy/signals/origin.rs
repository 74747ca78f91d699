//! Where the change comes from and where it goes.

use super::{Scene, Sightings, SignalKind};
use crate::principal::Permission;

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for deployment in scene.input.deployments {
        if Permission::to_deploy(&deployment.environment) == Permission::DeployProduction {
            seen.note(SignalKind::Production, deployment.name());
        }
    }
    // A planner says who wrote the plan under this key; a person's plan need not say anything.
    match scene.input.plan.metadata.get("author_kind") {
        None => {}
        Some(author) if author == "human" => {}
        Some(author) if author == "ai" => seen.note(SignalKind::AuthoredByTool, "author_kind: ai"),
        Some(author) => {
            let shown: String = author.to_string().chars().take(40).collect();
            seen.note(SignalKind::AuthoredByTool, format!("unknown author_kind: {shown}"));
        }
    }
}
