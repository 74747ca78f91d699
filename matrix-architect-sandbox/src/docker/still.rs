//! Services held still, so that no name of the tree changes its meaning while files are taken out.

use bollard::Docker;
use futures_util::future::join_all;
use matrix_architect_core::error::Result;

use super::fault::{fault, is_absent, is_conflict};

/// Containers whose processes are frozen.
#[derive(Debug)]
pub(super) struct Still {
    docker: Docker,
    containers: Vec<String>,
}

impl Still {
    /// Freezes what runs in these; what has ended is as still as can be.
    pub(super) async fn hold(docker: &Docker, containers: Vec<String>) -> Result<Self> {
        let frozen = join_all(containers.iter().map(|id| docker.pause_container(id))).await;
        let still = Self { docker: docker.clone(), containers };
        let refused = frozen.into_iter().filter_map(std::result::Result::err);
        match refused.into_iter().find(|cause| !is_conflict(cause) && !is_absent(cause)) {
            None => Ok(still),
            Some(cause) => {
                let _ = still.release().await;
                Err(fault("a service could not be held still", cause))
            }
        }
    }

    /// Lets them go on.
    pub(super) async fn release(self) -> Result<()> {
        let thawed = self.containers.iter().map(|id| self.docker.unpause_container(id));
        for thawed in join_all(thawed).await {
            match thawed {
                Err(cause) if is_conflict(&cause) || is_absent(&cause) => {}
                other => other.map_err(|cause| fault("a service could not be let go on", cause))?,
            }
        }
        Ok(())
    }
}
