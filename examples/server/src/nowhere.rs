//! A place where nothing runs.

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{Sandbox, SandboxCapabilities, Session, SessionSpec, Tree},
};

/// Stands in for the sandbox where somebody only looks at jobs and decides on them: that must be
/// possible on a machine that can run none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nowhere;

#[async_trait]
impl Sandbox for Nowhere {
    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities {
            driver: "nowhere".to_owned(),
            enforcement: Vec::new(),
            egress: false,
            services: false,
        }
    }

    async fn open(&self, _tree: &dyn Tree, _spec: &SessionSpec) -> Result<Box<dyn Session>> {
        Err(Error::new(ErrorKind::Unsupported, "the data directory was opened without a sandbox"))
    }

    async fn reap(&self) -> Result<u64> {
        Ok(0)
    }
}
