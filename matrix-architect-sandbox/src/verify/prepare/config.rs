//! What an operator decides about fetching dependencies.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use matrix_architect_core::traits::{AllowedHost, Limits, PrivateHost};
use serde::{Deserialize, Serialize};

/// How dependencies are fetched, and where they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PrepareConfig {
    /// Where fetched dependencies are kept. Nobody else writes there.
    pub cache: PathBuf,
    /// Hosts that may be fetched from, beside those that the tools' configuration on the base tree
    /// names. Default: none.
    #[serde(default)]
    pub hosts: Vec<AllowedHost>,
    /// Private addresses that hosts may have. Default: none.
    #[serde(default)]
    pub private: Vec<PrivateHost>,
    /// Environment of the tools that fetch, such as `PIP_INDEX_URL` of a mirror. Default: nothing.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Bounds of one fetch; `disk` is also the most that one fetch may leave.
    #[serde(default = "limits")]
    pub limits: Limits,
    /// Bytes that all kept dependencies may have. The longest unused go first. Default: 20 GiB.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
    /// How long dependencies that nobody uses are kept. Default: 30 days.
    #[serde(default = "max_age")]
    pub max_age: Duration,
}

fn limits() -> Limits {
    Limits::default().wall(Duration::from_mins(15)).disk(4 << 30)
}

const fn max_bytes() -> u64 {
    20 << 30
}

const fn max_age() -> Duration {
    Duration::from_hours(30 * 24)
}

impl PrepareConfig {
    /// Keeps dependencies in this directory, which is made if it is absent.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            hosts: Vec::new(),
            private: Vec::new(),
            env: BTreeMap::new(),
            limits: limits(),
            max_bytes: max_bytes(),
            max_age: max_age(),
        }
    }

    /// Lets these hosts be fetched from.
    #[must_use]
    pub fn hosts(mut self, hosts: impl IntoIterator<Item = AllowedHost>) -> Self {
        self.hosts.extend(hosts);
        self
    }

    /// Lets hosts have private addresses.
    #[must_use]
    pub fn private(mut self, private: impl IntoIterator<Item = PrivateHost>) -> Self {
        self.private.extend(private);
        self
    }

    /// Sets a variable of the tools that fetch.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }
}
