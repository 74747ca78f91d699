//! A target that remembers.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use async_trait::async_trait;

use super::locked;
use crate::{
    error::{Error, ErrorKind, Result},
    release::{DeploymentConfig, Fencing, Health, HealthStatus, Release, ReleaseRef},
    tenant::JobRef,
    traits::{
        ByteStream, Clock as _, DeployCapabilities, DeployContext, DeployPlan, DeployRequest,
        Deployer, Fence, LogQuery, PlannedChange, RollbackRequest,
    },
};

/// A target in memory: the releases of each service, the last one live, and every write to it.
#[derive(Debug, Default)]
pub struct MemoryDeployer {
    takes: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    releases: BTreeMap<String, Vec<Put>>,
    writes: Vec<String>,
    fence: BTreeMap<String, Fence>,
    faults: Vec<Error>,
    refusals: Vec<Error>,
    closed: bool,
}

/// A release, and the jobs it is live for: who put it there, and who has found it there since.
#[derive(Debug)]
struct Put {
    release: Release,
    jobs: BTreeSet<JobRef>,
    /// Its job took it back when another was live already.
    taken_back: bool,
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

    /// Meets this error at the next apply, before anything is touched.
    pub fn refuse_once(&self, error: Error) {
        self.lock().refusals.push(error);
    }

    /// Takes no settings from now on, as where an operator allows less than before.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// The version that is live under [`DeploymentConfig::name`].
    pub fn live(&self, name: &str) -> Option<String> {
        let state = self.lock();
        let live = state.releases.get(name).and_then(|releases| releases.last());
        live.map(|live| live.release.reference.version.clone())
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

    fn put(&mut self, name: String, cx: &DeployContext<'_>, request: &DeployRequest) -> Release {
        let (at, version) = (cx.clock.now(), request.release.version().to_owned());
        let releases = self.releases.entry(name).or_default();
        if let Some(live) = releases.last_mut()
            && live.release.reference.version == version
        {
            live.jobs.insert(cx.job.clone());
            return Release { changed: false, ..live.release.clone() };
        }
        let before = releases.last().map(|put| &put.release);
        let health = Health {
            status: HealthStatus::Healthy,
            version: Some(version.clone()),
            detail: "in memory".to_owned(),
            at,
        };
        let release = Release {
            reference: request.reference(),
            previous: before.map(|live| live.reference.version.clone()),
            changed: true,
            uri: None,
            fencing: Fencing::Target,
            health: Some(health),
            at,
        };
        let jobs = [cx.job.clone()].into();
        releases.push(Put { release: release.clone(), jobs, taken_back: false });
        self.writes.push(format!("apply {version}"));
        release
    }

    /// Takes the live release back, if it is the one meant and live for no other job.
    fn take_back(
        &mut self,
        name: String,
        job: &JobRef,
        request: &RollbackRequest,
    ) -> Result<Option<Release>> {
        let (failed, to) = (&request.failed.version, request.to.as_ref());
        let releases = self.releases.entry(name).or_default();
        let live = releases.last_mut().filter(|put| put.release.reference.version == *failed);
        let changed = match live.filter(|put| put.jobs.contains(job)) {
            // It stays for the others.
            Some(put) if put.jobs.len() > 1 => {
                put.jobs.remove(job);
                false
            }
            found => found.is_some(),
        };
        if !changed && let Some((_live, earlier)) = releases.split_last_mut() {
            let is_its = |put: &&mut Put| put.jobs.iter().eq([job]);
            for put in earlier.iter_mut().filter(is_its) {
                put.taken_back |= put.release.reference.version == *failed;
            }
        }
        if changed {
            let earlier = &releases[..releases.len() - 1];
            let is_wanted = |put: &Put| to.is_none_or(|to| put.release.reference.version == *to);
            let wanted = earlier.iter().rposition(is_wanted).map_or(0, |last| last + 1);
            if to.is_some() && wanted == 0 {
                return Err(Error::not_found("the release to return to is not at the target"));
            }
            let kept = earlier[..wanted].iter().rposition(|put| !put.taken_back);
            releases.truncate(kept.map_or(0, |last| last + 1));
            self.writes.push(format!("rollback {failed}"));
        }
        Ok(releases.last().map(|put| Release { changed, ..put.release.clone() }))
    }
}

#[async_trait]
impl Deployer for MemoryDeployer {
    fn capabilities(&self) -> DeployCapabilities {
        DeployCapabilities::full("memory", Fencing::Target)
    }

    fn check(&self, config: &DeploymentConfig) -> Result<()> {
        if self.lock().closed {
            return Err(Error::new(ErrorKind::Denied, "the target is closed"));
        }
        super::only_known(&config.config, &["driver", "service"])
    }

    async fn preview(&self, request: &DeployRequest) -> Result<DeployPlan> {
        self.check(&request.config)?;
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
        self.check(&request.config)?;
        tokio::select! {
            () = tokio::time::sleep(self.takes) => {}
            () = cx.cancel.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "the deployment was stopped"));
            }
        }
        let name = request.config.name();
        let mut state = self.lock();
        if let Some(error) = state.refusals.pop() {
            return Err(error);
        }
        state.admit(&name, cx.fence)?;
        let release = state.put(name, cx, request);
        match state.faults.pop() {
            Some(error) => Err(error),
            None => Ok(release),
        }
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
        state.take_back(name, cx.job, request)
    }

    async fn health(&self, config: &DeploymentConfig, release: &ReleaseRef) -> Result<Health> {
        self.check(config)?;
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
