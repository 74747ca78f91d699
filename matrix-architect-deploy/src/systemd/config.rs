//! What a job may say about a release on a machine.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    release::DeploymentConfig,
    secret::SecretRef,
};
use serde::{Deserialize, Serialize};

use super::{DRIVER, probe};
use crate::settings::{self, is_absolute, is_plain_name};

/// The settings of the `systemd` driver.
///
/// ```
/// use matrix_architect_core::release::{DeploymentConfig, DeploymentTarget};
/// use matrix_architect_deploy::systemd::SystemdConfig;
/// use serde_json::json;
///
/// let config = SystemdConfig::parse(&DeploymentConfig {
///     target: DeploymentTarget::Vm,
///     environment: "production".to_owned(),
///     namespace: None,
///     config: serde_json::from_value(json!({
///         "service": "web",
///         "root": "/srv/web",
///         "unit": { "exec": ["bin/web", "--port", "8000"] },
///         "variables": { "MODE": "fast", "TOKEN": { "secret": "env://WEB_TOKEN" } },
///         "health": { "http": { "url": "http://127.0.0.1:8000/health" } },
///     })).unwrap(),
/// })?;
/// assert_eq!(config.keep, 5);
/// # Ok::<(), matrix_architect_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SystemdConfig {
    /// The driver's registered name; `systemd`.
    pub driver: String,
    /// What is deployed; `app`. Letters, digits, `.`, `_` and `-`.
    pub service: String,
    /// An absolute path under which `<environment>/<service>` is kept. Required.
    pub root: PathBuf,
    /// The unit that runs the release; none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitConfig>,
    /// A command that makes the service run the new release, instead of a unit; none. Run without
    /// a shell, in the release's folder. A daemon it leaves behind writes into the release's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Vec<String>>,
    /// A command that stops what `restart` started, for the rollback of a first release; none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
    /// Milliseconds a restart or a stop may take; 60,000.
    pub restart_timeout_ms: u64,
    /// How it is seen that the release serves. Without it a unit has to stay active, and a
    /// `restart` counts as unchecked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthConfig>,
    /// Releases kept beside the one that serves, at least 1; 5.
    pub keep: usize,
    /// Environment variables of the service, in a file of mode 0600 outside of the release; none.
    pub variables: BTreeMap<String, Variable>,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Variable {
    /// As it stands.
    Plain(String),
    /// Fetched when the release is applied.
    Secret {
        /// Where it is.
        secret: SecretRef,
    },
}

/// Whose systemd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnitScope {
    /// The machine's.
    #[default]
    System,
    /// The worker's own user's.
    User,
}

/// The unit that runs a release.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnitConfig {
    /// The unit's name with `.service`; `<service>-<environment>.service`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whose systemd; `system`.
    pub scope: UnitScope,
    /// Where the unit is written; `/etc/systemd/system`. Required in the `user` scope.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<PathBuf>,
    /// The command of a hardened unit we write. A first word without a leading `/` is a file of
    /// the release. Either this or `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Vec<String>>,
    /// The unit as it stands, in which `{current}` is the release's folder and
    /// `{environment_file}` the file of variables. Either this or `exec`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// `MemoryMax=` of a unit we write; no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_max: Option<String>,
}

/// How it is seen that a release serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HealthConfig {
    /// A command that ends with 0 when the service is healthy; none. Run without a shell, in the
    /// release's folder, with the service's variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// A request that has to be answered; none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Milliseconds between two looks; 500.
    pub interval_ms: u64,
    /// Looks in a row that have to be good; 3.
    pub consecutive: u32,
    /// Milliseconds until a release that is not healthy is given up; 30,000.
    pub timeout_ms: u64,
    /// Milliseconds one look may take; 5,000.
    pub attempt_timeout_ms: u64,
}

/// A request that has to be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpProbe {
    /// An `http` URL. Required.
    pub url: String,
    /// The status it has to answer with; 200.
    pub expect_status: u16,
    /// Text the first 64 KiB of the answer have to contain; none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contains: Option<String>,
    /// A header that has to carry the release's version, which the service finds in
    /// `RELEASE_VERSION`; none. It proves that the new release answers and not the old one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_header: Option<String>,
}

impl Default for SystemdConfig {
    fn default() -> Self {
        Self {
            driver: DRIVER.to_owned(),
            service: "app".to_owned(),
            root: PathBuf::new(),
            unit: None,
            restart: None,
            stop: None,
            restart_timeout_ms: 60_000,
            health: None,
            keep: 5,
            variables: BTreeMap::new(),
        }
    }
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self {
            command: None,
            http: None,
            interval_ms: 500,
            consecutive: 3,
            timeout_ms: 30_000,
            attempt_timeout_ms: 5_000,
        }
    }
}

impl Default for HttpProbe {
    fn default() -> Self {
        Self { url: String::new(), expect_status: 200, contains: None, version_header: None }
    }
}

impl SystemdConfig {
    /// Reads and checks the settings of a deployment.
    ///
    /// # Errors
    /// `Invalid` with the field, or `Unsupported` for an `https` health check.
    pub fn parse(deployment: &DeploymentConfig) -> Result<Self> {
        let config: Self = settings::parse(DRIVER, &deployment.config)?;
        if !is_plain_name(&deployment.environment) {
            return Err(wrong("environment", "not a plain name"));
        }
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<()> {
        if !is_plain_name(&self.service) {
            return Err(wrong("service", "not a plain name"));
        }
        if !is_absolute(&self.root) || self.root == Path::new("/") {
            return Err(wrong("root", "not an absolute path of a folder")
                .advice("give an absolute path without '..', such as /srv/web"));
        }
        if self.unit.is_some() && self.restart.is_some() {
            return Err(wrong("restart", "either a unit or a restart command, not both"));
        }
        check_command("restart", self.restart.as_deref())?;
        check_command("stop", self.stop.as_deref())?;
        if self.keep == 0 {
            return Err(wrong("keep", "at least one release has to be kept to return to"));
        }
        for name in self.variables.keys() {
            if !is_variable(name) {
                return Err(wrong("variables", "not the name of an environment variable")
                    .context("variable", name.escape_debug().take(80).collect::<String>()));
            }
        }
        self.unit.as_ref().map_or(Ok(()), UnitConfig::validate)?;
        self.health.as_ref().map_or(Ok(()), HealthConfig::validate)
    }
}

impl UnitConfig {
    fn validate(&self) -> Result<()> {
        if self.exec.is_some() == self.text.is_some() {
            return Err(wrong("unit", "exactly one of 'exec' and 'text' is needed"));
        }
        check_command("unit.exec", self.exec.as_deref())?;
        let named = |name: &String| name.strip_suffix(".service").is_some_and(is_plain_name);
        if self.name.as_ref().is_some_and(|name| !named(name)) {
            return Err(wrong("unit.name", "not a plain name with '.service'"));
        }
        if self.directory.as_ref().is_some_and(|directory| !is_absolute(directory)) {
            return Err(wrong("unit.directory", "not an absolute path"));
        }
        if self.scope == UnitScope::User && self.directory.is_none() {
            return Err(wrong("unit.directory", "the user scope needs the directory of its units")
                .advice("give an absolute path such as /home/me/.config/systemd/user"));
        }
        let digits = |text: &String| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if self.memory_max.as_ref().is_some_and(|limit| limit.is_empty() || !digits(limit)) {
            return Err(wrong("unit.memory_max", "not a size such as 64M"));
        }
        Ok(())
    }
}

impl HealthConfig {
    fn validate(&self) -> Result<()> {
        if self.command.is_some() == self.http.is_some() {
            return Err(wrong("health", "exactly one of 'command' and 'http' is needed"));
        }
        if self.consecutive == 0 || self.attempt_timeout_ms == 0 || self.timeout_ms == 0 {
            return Err(wrong("health", "counts and times must be at least 1"));
        }
        check_command("health.command", self.command.as_deref())?;
        let Some(http) = &self.http else { return Ok(()) };
        if http.url.starts_with("https:") {
            return Err(Error::new(ErrorKind::Unsupported, "the probe speaks plain http only")
                .context("field", "health.http.url")
                .advice("use a health command, such as curl, for an https address"));
        }
        probe::Target::parse(&http.url).map(drop)
    }
}

pub(super) fn wrong(field: &'static str, message: &'static str) -> Error {
    settings::wrong(DRIVER, field, message)
}

fn check_command(field: &'static str, command: Option<&[String]>) -> Result<()> {
    let Some(words) = command else { return Ok(()) };
    if words.first().is_none_or(String::is_empty) {
        return Err(wrong(field, "the command is empty"));
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err(wrong(field, "the command has a NUL character"));
    }
    Ok(())
}

fn is_variable(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.len() <= 200
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
        && name.bytes().all(legal)
}
