//! What an operator decides about the native sandbox.

use std::path::PathBuf;

use matrix_architect_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

use super::toolchain::Toolchains;
use crate::egress::ProxyConfig;

/// Configuration of [`NativeSandbox`](super::NativeSandbox).
///
/// ```
/// use matrix_architect_sandbox::native::NativeConfig;
///
/// let config = NativeConfig::default();
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NativeConfig {
    /// What commands find beside the system's own programs. Default: nothing; see
    /// [`detect_toolchains`](super::detect_toolchains).
    pub toolchains: Toolchains,
    /// Whether limits are held by cgroups. Default: where this machine lets us.
    pub cgroups: CgroupUse,
    /// A cgroup v2 directory that was delegated to this process and has no processes of its own.
    /// Default: the process's own cgroup.
    pub cgroup_root: Option<PathBuf>,
    /// How many sessions are kept ready to be adopted, each by one caller. Each costs some hundred
    /// kilobytes and two or three waiting processes. Default: none.
    pub warm_sessions: usize,
    /// The proxy of sessions that may reach something. Default: this machine's own lookup.
    pub proxy: ProxyConfig,
}

/// Whether limits are held by cgroups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CgroupUse {
    /// Where a cgroup can be made, written and read back; otherwise by other means.
    #[default]
    Auto,
    /// Never.
    Off,
}

impl NativeConfig {
    /// A configuration with these toolchains.
    #[must_use]
    pub fn toolchains(mut self, toolchains: Toolchains) -> Self {
        self.toolchains = toolchains;
        self
    }

    /// A configuration that uses cgroups or does not.
    #[must_use]
    pub const fn cgroups(mut self, cgroups: CgroupUse) -> Self {
        self.cgroups = cgroups;
        self
    }

    /// A configuration with this proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: ProxyConfig) -> Self {
        self.proxy = proxy;
        self
    }

    /// A configuration that keeps this many sessions ready.
    #[must_use]
    pub const fn warm_sessions(mut self, count: usize) -> Self {
        self.warm_sessions = count;
        self
    }

    /// Checks that all paths can be paths.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let binds = self.toolchains.binds.iter();
        let sources = binds.clone().map(|bind| ("toolchains.binds.source", &bind.source));
        let targets = binds.map(|bind| ("toolchains.binds.target", &bind.target));
        let path = self.toolchains.path.iter().map(|path| ("toolchains.path", path));
        let root = self.cgroup_root.iter().map(|path| ("cgroup_root", path));
        for (field, path) in sources.chain(targets).chain(path).chain(root) {
            if !path.is_absolute() {
                return Err(Error::invalid("a path of the native sandbox is not absolute")
                    .context("field", field)
                    .context("path", path.display())
                    .advice("write the path from '/'"));
            }
        }
        Ok(())
    }
}
