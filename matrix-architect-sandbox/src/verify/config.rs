//! What an operator settles about verification, as opposed to what a project says about itself
//! in [`rules`](super::rules).

use std::{collections::BTreeMap, time::Duration};

use matrix_architect_core::{
    error::{Error, Result},
    traits::{Bind, Limits},
};
use serde::{Deserialize, Serialize};

use super::prepare::PrepareConfig;

/// How a [`SuiteVerifier`](super::SuiteVerifier) runs its checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct VerifyConfig {
    /// Bounds of every command. Default: [`Limits::default`] with 64 MiB of output, since linters
    /// are verbose. A project may shorten the time of a check, never lengthen it beyond `wall`.
    pub limits: Limits,
    /// Environment of every command beside what the suites set, such as `PATH`. Default: nothing.
    pub env: BTreeMap<String, String>,
    /// Read-only host paths shown inside, such as a Python environment. Default: none.
    pub binds: Vec<Bind>,
    /// Whether to go on where a limit or layer cannot be enforced; the evidence then says so.
    /// Default: no.
    pub allow_degraded: bool,
    /// How what a project depends on is fetched before the checks. Default: not at all.
    pub prepare: Option<PrepareConfig>,
}

impl Default for VerifyConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default().output(64 << 20),
            env: BTreeMap::new(),
            binds: Vec::new(),
            allow_degraded: false,
            prepare: None,
        }
    }
}

impl VerifyConfig {
    /// Sets a variable of every command's environment.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// Shows a host path inside, read-only and at the same place.
    #[must_use]
    pub fn bind(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        let source = path.into();
        self.binds.push(Bind { target: source.clone(), source });
        self
    }

    /// Bounds every command.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Goes on where a limit or layer cannot be enforced.
    #[must_use]
    pub const fn allow_degraded(mut self, allow: bool) -> Self {
        self.allow_degraded = allow;
        self
    }

    /// Fetches what a project depends on before the checks.
    #[must_use]
    pub fn prepare(mut self, prepare: PrepareConfig) -> Self {
        self.prepare = Some(prepare);
        self
    }

    /// Checks what can be checked before anything runs.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        if self.limits.wall == Duration::ZERO || self.limits.output == 0 {
            return Err(Error::invalid("a command needs time and room for its output")
                .context("field", "limits.wall, limits.output"));
        }
        if self.binds.iter().any(|bind| !bind.target.is_absolute() || !bind.source.is_absolute()) {
            return Err(Error::invalid("a bind needs absolute paths").context("field", "binds"));
        }
        Ok(())
    }
}
