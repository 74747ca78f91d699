//! The fakes keep the promises that the real backends keep.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(feature = "fake", feature = "conformance"))]

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{
        Harness, Serves, approver::Answers, artifact_store::Damages, secret_store::Provides,
    },
    event::ApprovalRequest,
    fake::{DeskApprover, FixedSecrets, MemoryArtifacts, ReadmePlanner},
    id::{Digest, PrincipalId, TenantId},
    secret::SecretRef,
    time::Timestamp,
    traits::{Approver, ArtifactStore, Planner, SecretStore},
};

/// A backend in memory: reopening finds it as it was, and time does not matter to it.
#[derive(Debug, Default)]
struct InMemory<T>(Arc<T>);

#[async_trait]
impl<T: Debug + Send + Sync> Harness for InMemory<T> {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }
    async fn elapse(&mut self, _duration: Duration) {}
    async fn reopen(&mut self) {}
}

impl Serves<dyn ArtifactStore> for InMemory<MemoryArtifacts> {
    fn backend(&self) -> Arc<dyn ArtifactStore> {
        Arc::<MemoryArtifacts>::clone(&self.0)
    }
}

#[async_trait]
impl Damages for InMemory<MemoryArtifacts> {
    async fn damage(&mut self, tenant: &TenantId, digest: &Digest, _part: u64) {
        assert!(self.0.damage(tenant, digest), "there is such an artifact");
    }
}

impl Serves<dyn SecretStore> for InMemory<FixedSecrets> {
    fn backend(&self) -> Arc<dyn SecretStore> {
        Arc::<FixedSecrets>::clone(&self.0)
    }
}

#[async_trait]
impl Provides for InMemory<FixedSecrets> {
    async fn provide(&mut self, tenant: &TenantId, name: &str, value: &[u8]) -> SecretRef {
        let reference = format!("fixed://{name}");
        let before = Arc::get_mut(&mut self.0).map(std::mem::take).unwrap_or_default();
        self.0 = Arc::new(before.with(tenant, &reference, value).unwrap());
        SecretRef::new(reference).unwrap()
    }
    fn unknown(&self) -> SecretRef {
        SecretRef::new("fixed://NOBODYS_TOKEN").unwrap()
    }
    fn knows_tenants(&self) -> bool {
        true
    }
}

mod artifacts {
    matrix_architect_core::artifact_store_suite!(super::InMemory::default());
}

mod secrets {
    matrix_architect_core::secret_store_suite!(super::InMemory::default());
}

impl Serves<dyn Planner> for InMemory<ReadmePlanner> {
    fn backend(&self) -> Arc<dyn Planner> {
        Arc::<ReadmePlanner>::clone(&self.0)
    }
}

impl Serves<dyn Approver> for InMemory<DeskApprover> {
    fn backend(&self) -> Arc<dyn Approver> {
        Arc::<DeskApprover>::clone(&self.0)
    }
}

#[async_trait]
impl Answers for InMemory<DeskApprover> {
    async fn grant(&mut self, request: &ApprovalRequest, by: &PrincipalId) {
        self.0.grant(&request.id, by.clone());
    }
    async fn asked(&self) -> usize {
        self.0.questions().len()
    }
}

mod planner {
    use super::{InMemory, ReadmePlanner};
    matrix_architect_core::planner_suite!(InMemory::<ReadmePlanner>::default());
}

mod approver {
    use super::{DeskApprover, InMemory};
    matrix_architect_core::approver_suite!(InMemory::<DeskApprover>::default());
}
