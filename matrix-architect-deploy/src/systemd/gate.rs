//! Whether a release serves: so many good looks in a row, given up early when it is hopeless.

use std::time::Duration;

use matrix_architect_core::{
    release::{Health, HealthStatus},
    time::Timestamp,
    traits::Cancel,
};
use tokio::time::{Instant, sleep};

use super::{
    client::Host,
    config::{HealthConfig, SystemdConfig},
    environment::Variables,
    layout::Place,
    probe,
    process::Run,
    service,
};

/// What one look saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It serves, perhaps as a version it named.
    Good(Option<String>),
    /// Not yet.
    Bad(String),
    /// It does not, and will not by waiting.
    Fatal(String),
    /// Nothing was asked to be looked at.
    Unasked,
}

/// A release that is looked at.
#[derive(Debug)]
pub(super) struct Watched<'a> {
    pub(super) host: &'a dyn Host,
    pub(super) place: &'a Place,
    pub(super) environment: &'a str,
    pub(super) settings: &'a SystemdConfig,
    pub(super) version: &'a str,
    pub(super) variables: &'a Variables,
}

/// How it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Healthy(Option<String>, String),
    Unchecked,
    Unhealthy(String),
    Cancelled,
}

impl Verdict {
    /// As the world sees it.
    pub(super) fn into_health(self, at: Timestamp) -> Health {
        let (status, version, detail) = match self {
            Self::Healthy(version, detail) => (HealthStatus::Healthy, version, detail),
            Self::Unchecked => {
                (HealthStatus::Unchecked, None, "no health check was asked for".to_owned())
            }
            Self::Unhealthy(reason) => (HealthStatus::Unhealthy, None, reason),
            Self::Cancelled => (HealthStatus::Progressing, None, "stopped on request".to_owned()),
        };
        Health { status, version, detail, at }
    }
}

impl Watched<'_> {
    /// Looks until it is clear. Without `cancel` it cannot be stopped.
    pub(super) async fn wait(&self, cancel: Option<&Cancel>) -> Verdict {
        let default = HealthConfig::default();
        let health = self.settings.health.as_ref().unwrap_or(&default);
        let begun = Instant::now();
        let (mut good, mut invocation) = (0, None);
        loop {
            let (look, now_running) = self.look(health).await;
            if now_running != invocation {
                // It was restarted in between: what was good before says nothing of it.
                (good, invocation) = (0, now_running);
            }
            let reason = match look {
                Look::Unasked => return Verdict::Unchecked,
                Look::Fatal(reason) => return Verdict::Unhealthy(reason),
                Look::Good(version) => {
                    good += 1;
                    if good >= health.consecutive {
                        let spent = begun.elapsed().as_millis();
                        let detail = format!("{good} good looks in a row after {spent} ms");
                        return Verdict::Healthy(version, detail);
                    }
                    format!("only {good} good looks in a row")
                }
                Look::Bad(reason) => {
                    good = 0;
                    reason
                }
            };
            if begun.elapsed() >= Duration::from_millis(health.timeout_ms) {
                return Verdict::Unhealthy(format!("{reason} after {} ms", health.timeout_ms));
            }
            if pause(Duration::from_millis(health.interval_ms), cancel).await {
                return Verdict::Cancelled;
            }
        }
    }

    /// Looks once.
    pub(super) async fn once(&self) -> Verdict {
        let default = HealthConfig::default();
        match self.look(self.settings.health.as_ref().unwrap_or(&default)).await.0 {
            Look::Good(version) => Verdict::Healthy(version, "one good look".to_owned()),
            Look::Bad(reason) | Look::Fatal(reason) => Verdict::Unhealthy(reason),
            Look::Unasked => Verdict::Unchecked,
        }
    }

    /// One look, and which run of the unit it saw.
    async fn look(&self, health: &HealthConfig) -> (Look, Option<String>) {
        let mut invocation = None;
        if let Some(unit) = &self.settings.unit {
            let seen = service::show(self.host, self.settings, unit, self.environment).await;
            let (look, id) = match seen {
                Ok(shown) => (shown.look(), shown.invocation),
                Err(error) => (Look::Fatal(error.to_string()), None),
            };
            if !matches!(look, Look::Good(_)) || self.settings.health.is_none() {
                return (look, id);
            }
            invocation = id;
        }
        (self.ask(health).await, invocation)
    }

    async fn ask(&self, health: &HealthConfig) -> Look {
        let patience = Duration::from_millis(health.attempt_timeout_ms);
        if let Some(http) = &health.http {
            return probe::look(http, self.version, patience).await;
        }
        let Some(words) = &health.command else { return Look::Unasked };
        let run = Run {
            words: words.clone(),
            folder: self.place.release(self.version),
            variables: self.variables.clone(),
            output: None,
            patience,
        };
        match self.host.run(run).await {
            Ok(ran) if ran.is_success() => Look::Good(None),
            Ok(ran) => {
                let said = self.variables.redact(&ran.describe());
                Look::Bad(format!("the health command failed, {said}"))
            }
            Err(error) => Look::Fatal(error.to_string()),
        }
    }
}

/// Waits; says whether it was told to stop.
async fn pause(time: Duration, cancel: Option<&Cancel>) -> bool {
    let Some(cancel) = cancel else {
        sleep(time).await;
        return false;
    };
    tokio::select! {
        () = cancel.cancelled() => true,
        () = sleep(time) => cancel.is_cancelled(),
    }
}
