//! The fakes keep the promises that the real backends keep.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(feature = "fake", feature = "conformance"))]

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    conformance::{
        Harness, Serves,
        approver::Answers,
        artifact_store::Damages,
        deployer::{Sample, Target},
        secret_store::Provides,
    },
    event::ApprovalRequest,
    fake::{
        DeskApprover, FixedSecrets, MemoryArtifacts, MemoryDeployer, ReadmePlanner, gated_release,
        job_ref,
    },
    id::{Digest, PrincipalId, TenantId},
    release::{DeploymentConfig, DeploymentTarget},
    secret::SecretRef,
    time::Timestamp,
    traits::{Approver, ArtifactStore, Deployer, Planner, SecretStore},
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

#[async_trait]
impl Target for InMemory<MemoryDeployer> {
    fn deployer(&self) -> Arc<dyn Deployer> {
        Arc::<MemoryDeployer>::clone(&self.0)
    }

    fn config(&self, environment: &str) -> DeploymentConfig {
        DeploymentConfig {
            target: DeploymentTarget::Custom,
            environment: environment.to_owned(),
            namespace: None,
            config: [("driver".to_owned(), "memory".into())].into(),
        }
    }

    fn broken_config(&self) -> (DeploymentConfig, &'static str) {
        let mut config = self.config("staging");
        config.config.insert("root".to_owned(), "/srv".into());
        (config, "root")
    }

    fn bundle(&self, label: &str, _sample: Sample) -> Bytes {
        Bytes::copy_from_slice(label.as_bytes())
    }

    async fn serving(&self, environment: &str) -> Option<String> {
        let live = self.0.live(&self.config(environment).name())?;
        let known = ["one", "two", "three"].into_iter();
        let version =
            |label: &str| gated_release(&job_ref(1), Digest::of(label)).version().to_owned();
        let mut named = known.filter(|label| version(label) == live);
        Some(named.next().unwrap_or("unknown").to_owned())
    }

    async fn fingerprint(&self) -> Digest {
        Digest::of(self.0.writes().join("\n"))
    }
}

mod deployer {
    use super::{InMemory, MemoryDeployer};
    // Those of the promises that a test of the engine builds on.
    matrix_architect_core::__conformance_tests!(
        deployer,
        InMemory::<MemoryDeployer>::default(),
        [
            a_preview_changes_nothing,
            an_applied_release_serves,
            applying_twice_changes_nothing,
            a_rollback_returns_to_the_release_before,
            a_rollback_of_a_first_release_leaves_nothing,
            a_rollback_may_be_repeated,
            a_rollback_goes_to_the_version_that_is_asked_for,
            an_older_fence_is_refused,
            a_broken_config_is_invalid,
            a_check_refuses_what_an_apply_would,
            another_environment_is_untouched,
            another_jobs_release_stays,
        ]
    );
}
