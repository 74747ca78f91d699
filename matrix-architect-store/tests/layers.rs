//! A decorated backend keeps the promises of the backend: all three decorators at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(feature = "memory", feature = "files"))]

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{Harness, Serves, artifact_store::Damages},
    id::{Digest, TenantId},
    layer::{Retry, RetryConfig, Timeout, TimeoutConfig, Traced},
    time::Timestamp,
    traits::{ArtifactStore, LogStore, Queue, Store},
};
use matrix_architect_store::files::FileArtifacts;
use tempfile::TempDir;

#[path = "common/memory.rs"]
mod memory;

type Layers<T> = Traced<Retry<Timeout<T>>>;

fn layered<T: ?Sized>(inner: Arc<T>) -> Arc<Layers<T>> {
    let bounded = Timeout::new(inner, TimeoutConfig::default());
    let patient = Retry::new(Arc::new(bounded), RetryConfig::default());
    Arc::new(Traced::new(Arc::new(patient), "layered"))
}

/// Another harness, whose backend is decorated.
#[derive(Debug)]
struct Layered<H>(H);

#[async_trait]
impl<H: Harness> Harness for Layered<H> {
    async fn now(&self) -> Timestamp {
        self.0.now().await
    }
    async fn elapse(&mut self, duration: Duration) {
        self.0.elapse(duration).await;
    }
    async fn reopen(&mut self) {
        self.0.reopen().await;
    }
}

macro_rules! serves {
    ($($trait:ident),*) => {
        $(impl<H: Serves<dyn $trait>> Serves<dyn $trait> for Layered<H> {
            fn backend(&self) -> Arc<dyn $trait> {
                layered::<dyn $trait>(self.0.backend())
            }
        })*
    };
}

serves!(Store, Queue, LogStore, ArtifactStore);

#[async_trait]
impl<H: Damages> Damages for Layered<H> {
    async fn damage(&mut self, tenant: &TenantId, digest: &Digest, part: u64) {
        self.0.damage(tenant, digest, part).await;
    }
}

/// Artifacts in a folder.
#[derive(Debug)]
struct Folder(TempDir, FileArtifacts);

impl Folder {
    async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = FileArtifacts::open(folder.path()).await.unwrap();
        Self(folder, artifacts)
    }
}

#[async_trait]
impl Harness for Folder {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }
    async fn elapse(&mut self, _duration: Duration) {}
    async fn reopen(&mut self) {
        self.1 = FileArtifacts::open(self.0.path()).await.unwrap();
    }
}

impl Serves<dyn ArtifactStore> for Folder {
    fn backend(&self) -> Arc<dyn ArtifactStore> {
        Arc::new(self.1.clone())
    }
}

#[async_trait]
impl Damages for Folder {
    async fn damage(&mut self, tenant: &TenantId, digest: &Digest, part: u64) {
        let name = digest.hex();
        let tenants = self.0.path().join("tenants").join(tenant.as_str());
        let path = tenants.join(&name[..2]).join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let at = bytes.len() * usize::try_from(part).unwrap() / 8;
        bytes[at] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }
}

mod store {
    use super::{Layered, memory::Harness};
    matrix_architect_core::store_suite!(Layered(Harness::fresh()));
}

mod queue {
    use super::{Layered, memory::Harness};
    matrix_architect_core::queue_suite!(Layered(Harness::fresh()));
}

mod log_store {
    use super::{Layered, memory::Harness};
    matrix_architect_core::log_store_suite!(Layered(Harness::fresh()));
}

mod artifacts {
    use super::{Folder, Layered};
    matrix_architect_core::artifact_store_suite!(Layered(Folder::fresh().await));
}
