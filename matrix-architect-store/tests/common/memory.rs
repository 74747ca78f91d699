//! The memory backend, whose clock stands still until it is moved.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{self, Serves, artifact_store::Damages},
    fake::FixedClock,
    id::{Digest, TenantId},
    time::Timestamp,
    traits::{ArtifactStore, Clock as _, Locks, LogStore, Operator, Queue, Records, Store},
};
use matrix_architect_store::memory::{Memory, MemoryArtifacts};

#[derive(Debug)]
pub(crate) struct Harness {
    clock: Arc<FixedClock>,
    memory: Arc<Memory>,
}

impl Harness {
    pub(crate) fn fresh() -> Self {
        let clock = Arc::new(FixedClock::new());
        let memory = Arc::new(Memory::new(Arc::<FixedClock>::clone(&clock)));
        Self { clock, memory }
    }
}

#[async_trait]
impl conformance::Harness for Harness {
    async fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn elapse(&mut self, duration: Duration) {
        self.clock.advance(duration);
    }

    async fn reopen(&mut self) {}
}

macro_rules! serves {
    ($($trait:ident),*) => {
        $(impl Serves<dyn $trait> for Harness {
            fn backend(&self) -> Arc<dyn $trait> {
                Arc::<Memory>::clone(&self.memory)
            }
        })*
    };
}

serves!(Store, Queue, LogStore, Records, Locks, Operator);

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
