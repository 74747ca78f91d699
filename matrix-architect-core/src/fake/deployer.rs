//! A target that remembers.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;

use super::locked;
use crate::{
    error::{Error, ErrorKind, Result},
    release::{DeploymentConfig, Fencing, Health, HealthStatus, Release, ReleaseRef},
    traits::{
        ByteStream, Clock as _, DeployCapabilities, DeployContext, DeployPlan, DeployRequest,
        Deployer, Fence, LogQuery, PlannedChange, RollbackRequest,
    },
};

/// A target in memory: the versions of each service, the last one live, and every write to it.
#[derive(Debug, Default)]
pub struct MemoryDeployer {
    takes: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    versions: BTreeMap<String, Vec<String>>,
    writes: Vec<String>,
    fence: BTreeMap<String, Fence>,
    faults: Vec<Error>,
}

impl MemoryDeployer {
    /// A target that takes that long for a write, unless it is stopped.
    pub fn taking(time: Duration) -> Self {
        Self { takes: time, ..Self::default() }
    }

    /// Meets this error at the next write, after the version went live.
    pub fn fail_once(&self, error: Error) {
        self.lock().faults.push(error);
    }

    /// The version that is live under [`DeploymentConfig::name`].
    pub fn live(&self, name: &str) -> Option<String> {
        self.lock().versions.get(name).and_then(|versions| versions.last().cloned())
    }

    /// Every write in order, such as `apply VERSION` and `rollback VERSION`.
    pub fn writes(&self) -> Vec<String> {
        self.lock().writes.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn admit(&mut self, name: &str, fence: Fence) -> Result<()> {
        let latest = self.fence.entry(name.to_owned()).or_default();
        if fence < *latest {
            return Err(Error::new(ErrorKind::Fenced, "a later deployer was here"));
        }
        *latest = fence;
        Ok(())
    }
}

#[async_trait]
impl Deployer for MemoryDeployer {
    fn capabilities(&self) -> DeployCapabilities {
        DeployCapabilities::full("memory", Fencing::Target)
    }

    async fn preview(&self, request: &DeployRequest) -> Result<DeployPlan> {
        let current = self.live(&request.config.name());
        let version = request.release.version();
        let switch = PlannedChange {
            action: "switch".to_owned(),
            object: request.config.name(),
            detail: version.to_owned(),
        };
        let changes = if current.as_deref() == Some(version) { Vec::new() } else { vec![switch] };
        Ok(DeployPlan { changes, current })
    }

    async fn apply(&self, cx: &DeployContext<'_>, request: &DeployRequest) -> Result<Release> {
        tokio::select! {
            () = tokio::time::sleep(self.takes) => {}
            () = cx.cancel.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "the deployment was stopped"));
            }
        }
        let (name, version) = (request.config.name(), request.release.version().to_owned());
        let mut state = self.lock();
        state.admit(&name, cx.fence)?;
        let versions = state.versions.entry(name).or_default();
        let changed = versions.last() != Some(&version);
        let previous = versions.iter().rev().find(|old| **old != version).cloned();
        if changed {
            versions.push(version.clone());
            state.writes.push(format!("apply {version}"));
        }
        if let Some(error) = state.faults.pop() {
            return Err(error);
        }
        let at = cx.clock.now();
        let health = Health {
            status: HealthStatus::Healthy,
            version: Some(version),
            detail: "in memory".to_owned(),
            at,
        };
        Ok(Release {
            reference: request.reference(),
            previous,
            changed,
            uri: None,
            fencing: Fencing::Target,
            health: Some(health),
            at,
        })
    }

    async fn rollback(
        &self,
        cx: &DeployContext<'_>,
        request: &RollbackRequest,
    ) -> Result<Option<Release>> {
        let name = request.config.name();
        let mut state = self.lock();
        state.admit(&name, cx.fence)?;
        if let Some(error) = state.faults.pop() {
            return Err(error);
        }
        let versions = state.versions.entry(name).or_default();
        if versions.last() == Some(&request.failed.version) {
            versions.pop();
            let write = format!("rollback {}", request.failed.version);
            state.writes.push(write);
        }
        Ok(None)
    }

    async fn health(&self, config: &DeploymentConfig, release: &ReleaseRef) -> Result<Health> {
        let live = self.live(&config.name());
        let serves = live.as_deref() == Some(release.version.as_str());
        let status = if serves { HealthStatus::Healthy } else { HealthStatus::Unhealthy };
        let at = super::FixedClock::default().now();
        Ok(Health { status, version: live, detail: "in memory".to_owned(), at })
    }

    async fn logs(
        &self,
        _config: &DeploymentConfig,
        _release: &ReleaseRef,
        _query: &LogQuery,
    ) -> Result<ByteStream> {
        Ok(ByteStream::once(self.writes().join("\n")))
    }
}
