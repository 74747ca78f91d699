//! What an operator decides about containers.

use std::{collections::BTreeMap, path::PathBuf};

use matrix_architect_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::egress::ProxyConfig;

/// Configuration of [`DockerSandbox`](super::DockerSandbox).
///
/// ```
/// use matrix_architect_sandbox::docker::DockerConfig;
///
/// let config = DockerConfig::new("rust:1.95");
/// assert!(config.validate().is_ok());
/// assert_eq!(config.user, "65534:65534");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DockerConfig {
    /// The image commands run in: a name, a name with digest, or an image's own digest. It must
    /// be on the engine already and have `/bin/sh` and `sleep`. No default.
    pub image: String,
    /// Whether a name that can come to mean another image will do. Default: it will.
    pub pinning: Pinning,
    /// The engine's socket. Default: `/var/run/docker.sock`.
    pub socket: PathBuf,
    /// Who commands are inside: user and group, in numbers, not root. Default: `65534:65534`.
    pub user: String,
    /// What starts the containers. Default: whatever the engine has as its default.
    pub runtime: ContainerRuntime,
    /// Environment beside the image's own. Default: none.
    pub env: BTreeMap<String, String>,
    /// How many sessions are kept ready, with the bounds of the last that was opened. Default: 0.
    pub warm: usize,
    /// The proxy of sessions that may reach something. Default: this machine's own lookup.
    pub proxy: ProxyConfig,
}

/// Whether an image must be named by its digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pinning {
    /// A tag is resolved once, at the start, and the digest is recorded with every command.
    #[default]
    Resolved,
    /// Only a digest is taken.
    Demanded,
}

/// What starts containers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContainerRuntime {
    /// The engine's default.
    #[default]
    Engine,
    /// gVisor's `runsc`, a kernel of its own for each container.
    GVisor,
}

impl ContainerRuntime {
    /// By which name the engine knows it.
    pub(super) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Engine => None,
            Self::GVisor => Some("runsc"),
        }
    }
}

impl Default for DockerConfig {
    fn default() -> Self {
        Self {
            image: String::new(),
            pinning: Pinning::default(),
            socket: PathBuf::from("/var/run/docker.sock"),
            user: "65534:65534".to_owned(),
            runtime: ContainerRuntime::default(),
            env: BTreeMap::new(),
            warm: 0,
            proxy: ProxyConfig::default(),
        }
    }
}

impl DockerConfig {
    /// The defaults with this image.
    pub fn new(image: impl Into<String>) -> Self {
        Self { image: image.into(), ..Self::default() }
    }

    /// A configuration that keeps this many sessions ready.
    #[must_use]
    pub const fn warm(mut self, sessions: usize) -> Self {
        self.warm = sessions;
        self
    }

    /// A configuration with this proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: ProxyConfig) -> Self {
        self.proxy = proxy;
        self
    }

    /// Checks what can be checked without an engine.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let numbers = self.user.split_once(':');
        let ordinary = numbers.is_some_and(|(user, group)| {
            [user, group].iter().all(|part| part.parse::<u32>().is_ok_and(|number| number > 0))
        });
        let (field, flaw, advice) = if self.image.is_empty() {
            ("image", "no image is named", "name one that holds the tools of your projects")
        } else if self.pinning == Pinning::Demanded && !self.is_pinned() {
            ("image", "the image is not named by its digest", "write it as NAME@sha256:...")
        } else if !self.socket.is_absolute() {
            ("socket", "the path of the socket is not absolute", "write the path from '/'")
        } else if !ordinary {
            ("user", "the user is not an ordinary one", "write UID:GID, both above zero")
        } else {
            return Ok(());
        };
        Err(Error::invalid(flaw).context("field", field).advice(advice))
    }

    fn is_pinned(&self) -> bool {
        self.image.starts_with("sha256:") || self.image.contains("@sha256:")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_refused_by_field() {
        let broken = |change: fn(&mut DockerConfig)| {
            let mut config = DockerConfig::new("debian");
            change(&mut config);
            config.validate().unwrap_err().to_string()
        };
        assert!(broken(|config| config.image.clear()).contains("no image"));
        assert!(broken(|config| config.pinning = Pinning::Demanded).contains("digest"));
        assert!(broken(|config| config.socket = "docker.sock".into()).contains("absolute"));
        for user in ["root", "0:0", "1000", "1000:0", "-1:1"] {
            let mut config = DockerConfig::new("debian");
            user.clone_into(&mut config.user);
            assert!(config.validate().is_err(), "{user}");
        }
        let mut pinned = DockerConfig::new(format!("debian@sha256:{}", "0".repeat(64)));
        pinned.pinning = Pinning::Demanded;
        assert!(pinned.validate().is_ok());
    }
}
