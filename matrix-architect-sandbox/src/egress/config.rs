//! What an operator decides about the proxy, as opposed to what a session may reach.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use serde::{Deserialize, Serialize};

/// How a [`Proxy`](super::Proxy) looks names up, and its patience.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ProxyConfig {
    /// Addresses of names, before any lookup, as in a hosts file. They are judged like any other.
    /// Default: none.
    pub hosts: BTreeMap<String, IpAddr>,
    /// How long a request's head may take to come, however slowly. Default: 15 seconds.
    pub head: Duration,
    /// How long lookup and connecting may take together. Default: 20 seconds.
    pub connect: Duration,
    /// How long neither side may say anything. Default: 5 minutes.
    pub idle: Duration,
}

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            hosts: BTreeMap::new(),
            head: Duration::from_secs(15),
            connect: Duration::from_secs(20),
            idle: Duration::from_mins(5),
        }
    }
}

impl ProxyConfig {
    /// Gives a name an address, before any lookup.
    #[must_use]
    pub fn host(mut self, name: impl Into<String>, address: IpAddr) -> Self {
        self.hosts.insert(name.into().to_ascii_lowercase(), address);
        self
    }
}
