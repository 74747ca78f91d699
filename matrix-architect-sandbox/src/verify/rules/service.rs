//! What a project says about the processes its tests need.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use matrix_architect_core::{
    error::Result,
    traits::{Command, Readiness, Service},
};
use serde::Deserialize;

use super::{RULES_PATH, bad, is_name};

/// Stands for every service where services are named.
pub(in crate::verify) const ALL: &str = "all";

/// A process that runs beside the checks that need it, in the same session and so in the same
/// isolated network.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceRules {
    /// How checks call it: lower-case letters, digits, `.`, `-` and `_`; not `all`.
    pub name: String,
    /// The program and its arguments. Either this or `run`. It runs in the foreground.
    #[serde(default)]
    pub command: Vec<String>,
    /// A line for `sh -c`. Either this or `command`.
    #[serde(default)]
    pub run: Option<String>,
    /// How it is known to be ready: `{ port = 5432 }` or `{ command = "pg_isready" }`.
    pub ready: Readiness,
    /// Seconds it may take to be ready. Default: 60.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
    /// Environment beside that of `[verify.env]`. Default: nothing.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Services that are ready before this one is started. Default: none.
    #[serde(default)]
    pub after: Vec<String>,
    /// Whether it gets an empty directory of its own outside of the tree, which `SERVICE_DATA`
    /// names. Default: no.
    #[serde(default)]
    pub data: bool,
}

impl ServiceRules {
    fn validate(&self) -> Result<()> {
        if !is_name(&self.name) || self.name == ALL {
            return Err(bad(
                "a service's name is lower-case letters, digits, '.', '-' and '_', and not 'all'",
            ));
        }
        if self.command.is_empty() == self.run.is_none() {
            return Err(bad("a service has either 'command' or 'run'"));
        }
        if self.timeout_seconds == Some(0) {
            return Err(bad("'timeout_seconds' is at least 1"));
        }
        match &self.ready {
            Readiness::Port(0) => Err(bad("'port' is at least 1")),
            Readiness::Command(line) if line.trim().is_empty() => {
                Err(bad("'ready' has an empty command, which is always true"))
            }
            _ => Ok(()),
        }
    }

    /// What a sandbox is asked to start, less the environment.
    pub(in crate::verify) fn service(&self) -> Service {
        let mut command = match &self.run {
            Some(line) => Command::shell(line),
            None => Command::new(&self.command),
        };
        command.env.clone_from(&self.env);
        let service = Service::new(&self.name, command, self.ready.clone());
        match self.timeout_seconds {
            Some(seconds) => service.patience(Duration::from_secs(seconds)),
            None => service,
        }
    }

    /// Its command as a person would type it.
    pub(in crate::verify) fn line(&self) -> String {
        self.run.clone().unwrap_or_else(|| self.command.join(" "))
    }
}

/// Checks services on their own and together.
pub(super) fn validate(services: &[ServiceRules]) -> Result<()> {
    let mut names = BTreeSet::new();
    for service in services {
        let named = |error: matrix_architect_core::error::Error| {
            error.context("file", RULES_PATH).context("service", service.name.escape_debug())
        };
        service.validate().map_err(named)?;
        if !names.insert(service.name.as_str()) {
            return Err(named(bad("two services have the same name")));
        }
    }
    for service in services {
        known(services, &service.after).map_err(|error| error.context("service", &service.name))?;
    }
    let mut ready = Vec::new();
    while ready.len() < services.len() {
        let before = ready.len();
        for service in services {
            let is_next = service.after.iter().all(|name| ready.contains(name));
            if is_next && !ready.contains(&service.name) {
                ready.push(service.name.clone());
            }
        }
        if ready.len() == before {
            let stuck = services.iter().map(|service| &service.name);
            let stuck: Vec<_> = stuck.filter(|name| !ready.contains(name)).cloned().collect();
            return Err(bad("services wait for each other in a circle")
                .context("file", RULES_PATH)
                .context("services", stuck.join(", ")));
        }
    }
    Ok(())
}

/// Demands that there is a service of each name.
pub(super) fn known(services: &[ServiceRules], names: &[String]) -> Result<()> {
    let is_known = |name: &String| services.iter().any(|service| service.name == *name);
    match names.iter().find(|name| *name != ALL && !is_known(name)) {
        Some(name) => Err(bad("there is no service of this name")
            .context("file", RULES_PATH)
            .context("needed", name.escape_debug())),
        None => Ok(()),
    }
}

/// The services of these names and those they wait for, in the order of their start.
pub(in crate::verify) fn in_order<'a>(
    services: &'a [ServiceRules],
    names: &[String],
) -> Vec<&'a ServiceRules> {
    let mut order = Vec::new();
    let is_wanted =
        |service: &&ServiceRules| names.iter().any(|name| *name == service.name || name == ALL);
    for service in services.iter().filter(is_wanted) {
        put(services, service, &mut order);
    }
    order
}

/// Ends, since there is no circle.
fn put<'a>(
    services: &'a [ServiceRules],
    service: &'a ServiceRules,
    order: &mut Vec<&'a ServiceRules>,
) {
    if order.iter().any(|other| other.name == service.name) {
        return;
    }
    for before in services.iter().filter(|other| service.after.contains(&other.name)) {
        put(services, before, order);
    }
    order.push(service);
}
