//! A place to deploy to, and what the engine would hand to its deployer.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    error::Result,
    fake::{
        CollectedLog, FixedClock, MemoryArtifacts, MemoryJournal, NoSecrets, gated_release, job_ref,
    },
    id::Digest,
    release::{DeploymentConfig, Release, ReleaseRef},
    tenant::JobRef,
    traits::{
        ArtifactStore as _, Cancel, DeployContext, DeployRequest, Deployer, Fence, RollbackRequest,
    },
};

/// What a sample release does when it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// It says its label in its log and serves.
    Healthy,
    /// It never becomes healthy.
    Unhealthy,
}

/// A place to deploy to, and a way to see it without the deployer. Whatever a case started there
/// ends when the target is dropped.
#[async_trait]
pub trait Target: Debug + Send + Sync {
    /// The deployer under test.
    fn deployer(&self) -> Arc<dyn Deployer>;

    /// The settings for the target in an environment, with as short a patience as is sensible.
    fn config(&self, environment: &str) -> DeploymentConfig;

    /// Settings with a mistake, and the name of the field that has it.
    fn broken_config(&self) -> (DeploymentConfig, &'static str);

    /// A bundle whose label says which it is. Other labels are other content.
    fn bundle(&self, label: &str, sample: Sample) -> Bytes;

    /// The label of what really answers in an environment; `None` if nothing does.
    async fn serving(&self, environment: &str) -> Option<String>;

    /// A digest of everything at the target but the logs: equal if nothing was written.
    async fn fingerprint(&self) -> Digest;
}

/// A case under way: the target and what the engine would hand to the deployer.
#[derive(Debug)]
pub(super) struct Deploying<T> {
    pub(super) target: T,
    pub(super) deployer: Arc<dyn Deployer>,
    pub(super) artifacts: MemoryArtifacts,
    pub(super) clock: FixedClock,
    pub(super) log: CollectedLog,
}

/// The engine's side of one call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) job: JobRef,
    pub(super) fence: Fence,
    pub(super) journal: MemoryJournal,
    pub(super) cancel: Cancel,
}

/// Whose call it is: a job, and the token it comes with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    job: u64,
    fence: u64,
}

impl From<u64> for Turn {
    /// The job and its token have the same number.
    fn from(number: u64) -> Self {
        Self { job: number, fence: number }
    }
}

impl From<(u64, u64)> for Turn {
    /// The job comes with a later token.
    fn from((job, fence): (u64, u64)) -> Self {
        Self { job, fence }
    }
}

pub(super) fn call(turn: impl Into<Turn>) -> Call {
    let Turn { job, fence } = turn.into();
    Call {
        job: job_ref(u128::from(job)),
        fence: Fence(fence),
        journal: MemoryJournal::new(),
        cancel: Cancel::new(),
    }
}

impl<T: Target> Deploying<T> {
    pub(super) fn on(target: T) -> Self {
        let deployer = target.deployer();
        let (artifacts, clock, log) =
            (MemoryArtifacts::new(), FixedClock::new(), CollectedLog::new());
        Self { target, deployer, artifacts, clock, log }
    }

    pub(super) async fn request(
        &self,
        call: &Call,
        label: &str,
        sample: Sample,
        environment: &str,
    ) -> Result<DeployRequest> {
        let bundle = self.target.bundle(label, sample);
        let (digest, _) = self.artifacts.put(&call.job.tenant, &bundle).await?;
        let config = self.target.config(environment);
        Ok(DeployRequest { config, release: gated_release(&call.job, digest) })
    }

    pub(super) fn context<'a>(&'a self, call: &'a Call) -> DeployContext<'a> {
        DeployContext::new(
            &call.job,
            call.fence,
            &call.journal,
            &NoSecrets,
            &self.artifacts,
            &self.clock,
            &call.cancel,
            &self.log,
        )
    }

    pub(super) async fn apply(&self, call: &Call, request: &DeployRequest) -> Result<Release> {
        self.deployer.apply(&self.context(call), request).await
    }

    /// Applies a healthy release.
    pub(super) async fn healthy(&self, turn: impl Into<Turn>, label: &str) -> Result<Release> {
        let call = call(turn);
        let request = self.request(&call, label, Sample::Healthy, "staging").await?;
        self.apply(&call, &request).await
    }

    pub(super) async fn roll_back(
        &self,
        turn: impl Into<Turn>,
        failed: &Release,
    ) -> Result<Option<Release>> {
        self.roll_back_to(turn, &failed.reference, None).await
    }

    pub(super) async fn roll_back_to(
        &self,
        turn: impl Into<Turn>,
        failed: &ReleaseRef,
        to: Option<String>,
    ) -> Result<Option<Release>> {
        let config = self.target.config(&failed.environment);
        let request = RollbackRequest { config, failed: failed.clone(), to };
        self.deployer.rollback(&self.context(&call(turn)), &request).await
    }

    pub(super) async fn assert_serving(&self, expected: Option<&str>) {
        let serving = self.target.serving("staging").await;
        assert_eq!(serving.as_deref(), expected, "what answers");
    }

    #[expect(clippy::print_stderr, reason = "a case that does not apply says so aloud")]
    pub(super) fn can(&self, what: &str, whether: bool) -> bool {
        if !whether {
            eprintln!("not promised by {}: {what}", self.deployer.capabilities().driver);
        }
        whether
    }

    pub(super) fn rolls_back(&self) -> bool {
        self.can("rollback", self.deployer.capabilities().rollback)
    }

    pub(super) fn looks(&self) -> bool {
        self.can("health", self.deployer.capabilities().health)
    }
}
