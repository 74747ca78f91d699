//! The `systemd` deployer: what it can do, and its calls.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    release::{DeploymentConfig, Fencing, Health, HealthStatus, Release, ReleaseRef},
    traits::{
        ByteStream, Clock, DeployCapabilities, DeployContext, DeployPlan, DeployRequest, Deployer,
        LogQuery, RollbackRequest,
    },
};

use super::{
    DRIVER, apply,
    client::Host,
    config::{SystemdConfig, wrong},
    gate::Watched,
    layout::Place,
    local::LocalHost,
    logs, render, service, undo,
    work::Work,
};

/// Called at every step an apply or a rollback has taken; a test ends the process there.
pub(super) type Checkpoint = Arc<dyn Fn(&str) + Send + Sync>;

/// Releases in a folder of this machine; see the [module](super) for how.
///
/// ```
/// # use std::sync::Arc;
/// # use matrix_architect_core::{fake::FixedClock, traits::Deployer};
/// use matrix_architect_deploy::systemd::SystemdDeployer;
/// # let clock = Arc::new(FixedClock::new());
///
/// let deployer = SystemdDeployer::new(clock).within("/srv");
/// assert_eq!(deployer.capabilities().driver, "systemd");
/// ```
#[derive(Clone)]
pub struct SystemdDeployer {
    pub(super) host: Arc<dyn Host>,
    pub(super) clock: Arc<dyn Clock>,
    /// Folders a job may name as its root, or one in it; any if empty.
    roots: Vec<PathBuf>,
    pub(super) patience: Duration,
    pub(super) checkpoint: Checkpoint,
}

impl SystemdDeployer {
    /// A deployer for this machine that takes any root a job names.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            host: Arc::new(LocalHost),
            clock,
            roots: Vec::new(),
            patience: Duration::from_secs(10),
            checkpoint: Arc::new(|_| {}),
        }
    }

    /// Takes only roots in this folder, or in one of those named before. Set it wherever jobs
    /// come from people who may not write just anywhere.
    #[must_use]
    pub fn within(mut self, root: impl Into<PathBuf>) -> Self {
        self.roots.push(root.into());
        self
    }

    /// How long it waits for another deployer at the same place; 10 seconds.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Calls back at every step; for tests that end the process there.
    #[doc(hidden)]
    #[must_use]
    pub fn with_checkpoint(mut self, reached: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.checkpoint = Arc::new(reached);
        self
    }

    /// The settings of a deployment, if this deployer takes them.
    pub(super) fn settings(&self, config: &DeploymentConfig) -> Result<(SystemdConfig, Place)> {
        let settings = SystemdConfig::parse(config)?;
        let allowed = self.roots.is_empty()
            || self.roots.iter().any(|root: &PathBuf| settings.root.starts_with(root));
        if !allowed {
            return Err(Error::new(ErrorKind::Denied, "the root is not one this worker may use")
                .context("field", "root")
                .context("root", settings.root.display())
                .advice("choose a folder the operator allows, or ask the operator"));
        }
        let place = Place::new(&settings.root, &config.environment, &settings.service);
        Ok((settings, place))
    }
}

impl fmt::Debug for SystemdDeployer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemdDeployer").field("roots", &self.roots).finish_non_exhaustive()
    }
}

#[async_trait]
impl Deployer for SystemdDeployer {
    fn capabilities(&self) -> DeployCapabilities {
        DeployCapabilities::full(DRIVER, Fencing::Target)
    }

    fn check(&self, config: &DeploymentConfig) -> Result<()> {
        self.settings(config).map(drop)
    }

    async fn preview(&self, request: &DeployRequest) -> Result<DeployPlan> {
        let (settings, place) = self.settings(&request.config)?;
        let version = request.release.version();
        let environment = &request.config.environment;
        let state = self.host.state(&place).await?;
        let target = render::Target {
            place: &place,
            environment,
            state: &state,
            intact: self.host.is_intact(&place, version).await?,
            installed: service::installed(&*self.host, &settings, environment).await?,
        };
        Ok(render::plan(&target, &settings, version))
    }

    #[tracing::instrument(
        name = "deploy.systemd.apply",
        skip_all,
        fields(target = %request.config.name(), version = request.release.version())
    )]
    async fn apply(&self, cx: &DeployContext<'_>, request: &DeployRequest) -> Result<Release> {
        let work = Work::new(self, cx, &request.config)?;
        apply::apply(&work, &request.release).await.map_err(|e| e.operation("systemd.apply"))
    }

    #[tracing::instrument(
        name = "deploy.systemd.rollback",
        skip_all,
        fields(target = %request.config.name(), version = request.failed.version)
    )]
    async fn rollback(
        &self,
        cx: &DeployContext<'_>,
        request: &RollbackRequest,
    ) -> Result<Option<Release>> {
        let work = Work::new(self, cx, &request.config)?;
        undo::rollback(&work, request).await.map_err(|e| e.operation("systemd.rollback"))
    }

    async fn health(&self, config: &DeploymentConfig, release: &ReleaseRef) -> Result<Health> {
        let (_, place) = self.settings(config)?;
        let state = self.host.state(&place).await?;
        let Some((slot, _)) = state.live().filter(|(slot, _)| slot.version == release.version)
        else {
            let serving = state.live().map_or("nothing", |(slot, _)| slot.version.as_str());
            return Ok(Health {
                status: HealthStatus::Unhealthy,
                version: state.live().map(|(slot, _)| slot.version.clone()),
                detail: format!("another release is live: {serving}"),
                at: self.clock.now(),
            });
        };
        let variables = self.host.variables(&place, slot.number).await?.unwrap_or_default();
        let watched = Watched {
            host: &*self.host,
            place: &place,
            environment: &config.environment,
            settings: &slot.settings,
            version: &slot.version,
            variables: &variables,
        };
        Ok(watched.once().await.into_health(self.clock.now()))
    }

    async fn logs(
        &self,
        config: &DeploymentConfig,
        release: &ReleaseRef,
        query: &LogQuery,
    ) -> Result<ByteStream> {
        let (_, place) = self.settings(config)?;
        logs::read(&*self.host, &place, &config.environment, &release.version, query).await
    }
}

/// Where a release's folder is, for the release's address.
pub(super) fn uri(path: &Path) -> String {
    format!("file://{}", path.display())
}

/// Refuses a rollback of another place's release.
pub(super) fn check_reference(config: &DeploymentConfig, reference: &ReleaseRef) -> Result<()> {
    let same = reference.environment == config.environment && reference.service == config.service();
    if same { Ok(()) } else { Err(wrong("failed", "the release is not one of this deployment")) }
}
