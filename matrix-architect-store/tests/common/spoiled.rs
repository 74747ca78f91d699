//! Artifacts in memory that can be damaged.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{self, Serves, artifact_store::Damages},
    id::{Digest, TenantId},
    time::Timestamp,
    traits::ArtifactStore,
};
use matrix_architect_store::memory::MemoryArtifacts;

/// Artifacts in memory, whose content a test can spoil.
#[derive(Debug, Default)]
pub(crate) struct ArtifactHarness(Arc<MemoryArtifacts>);

#[async_trait]
impl conformance::Harness for ArtifactHarness {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    async fn elapse(&mut self, _: Duration) {}

    async fn reopen(&mut self) {}
}

impl Serves<dyn ArtifactStore> for ArtifactHarness {
    fn backend(&self) -> Arc<dyn ArtifactStore> {
        Arc::<MemoryArtifacts>::clone(&self.0)
    }
}

#[async_trait]
impl Damages for ArtifactHarness {
    async fn damage(&mut self, tenant: &TenantId, digest: &Digest, _: u64) {
        assert!(self.0.damage(tenant, digest));
    }
}
