//! A place where nothing runs.

use async_trait::async_trait;

use crate::{
    error::{Error, ErrorKind, Result},
    traits::{Sandbox, SandboxCapabilities, Session, SessionSpec, Tree},
};

/// A sandbox that opens no session, for engines whose verifier runs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSandbox;

#[async_trait]
impl Sandbox for NoSandbox {
    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities {
            driver: "none".to_owned(),
            enforcement: Vec::new(),
            egress: false,
            services: false,
        }
    }

    async fn open(&self, _tree: &dyn Tree, _spec: &SessionSpec) -> Result<Box<dyn Session>> {
        Err(Error::new(ErrorKind::Unsupported, "nothing runs here"))
    }

    async fn reap(&self) -> Result<u64> {
        Ok(0)
    }
}
