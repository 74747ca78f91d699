//! Deploying nowhere, for changes that are only proven and published.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    release::{DeploymentConfig, Fencing, Health, HealthStatus, Release, ReleaseRef},
    traits::{
        ByteStream, Clock, DeployCapabilities, DeployContext, DeployPlan, DeployRequest, Deployer,
        LogQuery, RollbackRequest,
    },
};
use serde::Deserialize;

use crate::settings;

/// The registered name.
const DRIVER: &str = "none";

/// Deploys nowhere and says so: nothing changes, nothing is checked, there is nothing to take back.
///
/// ```
/// # use std::sync::Arc;
/// # use matrix_architect_core::{fake::FixedClock, traits::Deployer};
/// use matrix_architect_deploy::none::NoneDeployer;
///
/// let deployer = NoneDeployer::new(Arc::new(FixedClock::new()));
/// assert!(!deployer.capabilities().rollback);
/// ```
#[derive(Clone, Debug)]
pub struct NoneDeployer {
    clock: Arc<dyn Clock>,
}

/// There is nothing to say but names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NoneConfig {
    #[serde(rename = "driver")]
    _driver: String,
    #[serde(rename = "service")]
    _service: String,
}

impl NoneDeployer {
    /// A deployer that takes the time from `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    fn unchecked(&self) -> Health {
        Health {
            status: HealthStatus::Unchecked,
            version: None,
            detail: "the change is deployed nowhere".to_owned(),
            at: self.clock.now(),
        }
    }
}

fn check(config: &BTreeMap<String, serde_json::Value>) -> Result<()> {
    settings::parse::<NoneConfig>(DRIVER, config).map(drop)
}

#[async_trait]
impl Deployer for NoneDeployer {
    fn capabilities(&self) -> DeployCapabilities {
        let mut capabilities = DeployCapabilities::default();
        DRIVER.clone_into(&mut capabilities.driver);
        capabilities
    }

    fn check(&self, config: &DeploymentConfig) -> Result<()> {
        check(&config.config)
    }

    async fn preview(&self, request: &DeployRequest) -> Result<DeployPlan> {
        check(&request.config.config)?;
        Ok(DeployPlan::default())
    }

    async fn apply(&self, cx: &DeployContext<'_>, request: &DeployRequest) -> Result<Release> {
        check(&request.config.config)?;
        if cx.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "stopped on request"));
        }
        cx.log.line("no target was asked for: the change is deployed nowhere");
        Ok(Release {
            reference: request.reference(),
            previous: None,
            changed: false,
            uri: None,
            fencing: Fencing::LockOnly,
            health: Some(self.unchecked()),
            at: cx.clock.now(),
        })
    }

    async fn rollback(
        &self,
        _cx: &DeployContext<'_>,
        request: &RollbackRequest,
    ) -> Result<Option<Release>> {
        check(&request.config.config).map(|()| None)
    }

    async fn health(&self, config: &DeploymentConfig, _release: &ReleaseRef) -> Result<Health> {
        check(&config.config).map(|()| self.unchecked())
    }

    async fn logs(
        &self,
        _config: &DeploymentConfig,
        _release: &ReleaseRef,
        _query: &LogQuery,
    ) -> Result<ByteStream> {
        Err(Error::new(ErrorKind::Unsupported, "a change that is deployed nowhere has no logs"))
    }
}
