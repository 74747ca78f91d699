//! One apply or rollback under way.

use matrix_architect_core::{
    error::Result,
    release::{DeploymentConfig, Fencing, Release, ReleaseRef},
    traits::DeployContext,
};

use super::{
    DRIVER,
    client::{Held, Host},
    config::SystemdConfig,
    deployer::{SystemdDeployer, uri},
    environment::Variables,
    gate::{Verdict, Watched},
    history::{Entry, Happening},
    layout::Place,
    service::{self, Service},
    slot::Slot,
    stopped,
};

/// One apply or rollback under way: its parts and the steps both have.
#[derive(Debug)]
pub(super) struct Work<'a> {
    deployer: &'a SystemdDeployer,
    pub(super) cx: &'a DeployContext<'a>,
    pub(super) place: Place,
    pub(super) environment: &'a str,
    pub(super) settings: SystemdConfig,
}

impl<'a> Work<'a> {
    pub(super) fn new(
        deployer: &'a SystemdDeployer,
        cx: &'a DeployContext<'a>,
        config: &'a DeploymentConfig,
    ) -> Result<Self> {
        let (settings, place) = deployer.settings(config)?;
        Ok(Self { deployer, cx, place, environment: &config.environment, settings })
    }

    pub(super) fn host(&self) -> &dyn Host {
        &*self.deployer.host
    }

    pub(super) async fn lock(&self) -> Result<Box<dyn Held>> {
        let held = self.host().lock(&self.place, self.cx.fence, self.deployer.patience).await?;
        self.reached("locked");
        Ok(held)
    }

    /// For tests that end the process here.
    pub(super) fn reached(&self, step: &str) {
        (self.deployer.checkpoint)(step);
    }

    pub(super) fn go_on(&self) -> Result<()> {
        if self.cx.cancel.is_cancelled() { Err(stopped()) } else { Ok(()) }
    }

    pub(super) fn service(&self) -> Service<'_> {
        Service {
            host: self.host(),
            place: &self.place,
            environment: self.environment,
            log: self.cx.log,
        }
    }

    pub(super) fn watched<'b>(&'b self, slot: &'b Slot, variables: &'b Variables) -> Watched<'b> {
        Watched {
            host: self.host(),
            place: &self.place,
            environment: self.environment,
            settings: &slot.settings,
            version: &slot.version,
            variables,
        }
    }

    pub(super) async fn variables(&self, slot: &Slot) -> Result<Variables> {
        Ok(self.host().variables(&self.place, slot.number).await?.unwrap_or_default())
    }

    /// Starts what is live, and remembers which run of its unit that was.
    pub(super) async fn start(
        &self,
        slot: &Slot,
        variables: &Variables,
        replaced: Option<&Slot>,
    ) -> Result<()> {
        let started = self.service().start(slot, variables, replaced).await;
        let run = service::invocation(self.host(), &slot.settings, self.environment).await;
        if let Some(run) = run {
            let path = self.place.slot(slot.number).join("invocations");
            let runs = self.host().read(&path).await.ok().flatten().unwrap_or_default();
            let runs = [&runs[..], run.as_bytes(), b"\n"].concat();
            // Only the logs are the poorer for it.
            let _ = self.host().write(&path, runs).await;
        }
        started
    }

    /// Writes a line of history.
    pub(super) async fn record(
        &self,
        slot: &Slot,
        happening: Happening,
        serving: Option<&Slot>,
        detail: &str,
    ) -> Result<()> {
        let entry = Entry {
            at: self.cx.clock.now(),
            number: slot.number,
            version: slot.version.clone(),
            happening,
            serving: serving.map(|slot| slot.version.clone()),
            job: self.cx.job.clone(),
            fence: self.cx.fence,
            detail: detail.to_owned(),
        };
        self.host().record(&self.place, entry).await
    }

    /// What is done after the release serves, or serves again. None of it is worth a failure: the
    /// next deployer does it too.
    pub(super) async fn tidy(
        &self,
        slot: &Slot,
        happening: Happening,
        serving: Option<&Slot>,
        detail: &str,
    ) {
        if let Err(error) = self.record(slot, happening, serving, detail).await {
            self.cx.log.line(&format!("the history was not written: {error}"));
        }
        let pruned = match self.host().state(&self.place).await {
            Ok(state) => {
                let kept =
                    if serving.is_some() { state.kept(self.settings.keep) } else { Vec::new() };
                self.host().prune(&self.place, kept).await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = pruned {
            self.cx.log.line(&format!("old releases were not removed: {error}"));
        }
        self.reached("tidied");
    }

    /// The release as the world sees it.
    pub(super) fn release(&self, slot: &Slot, changed: bool, verdict: Verdict) -> Release {
        let now = self.cx.clock.now();
        Release {
            reference: ReleaseRef {
                driver: DRIVER.to_owned(),
                environment: self.environment.to_owned(),
                service: slot.settings.service.clone(),
                version: slot.version.clone(),
            },
            previous: slot.previous_version.clone(),
            changed,
            uri: Some(uri(&self.place.release(&slot.version))),
            fencing: Fencing::Target,
            health: Some(verdict.into_health(now)),
            at: slot.at,
        }
    }
}
