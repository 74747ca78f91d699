//! What a session may reach, and what it reached.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What a session may reach beyond itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Network {
    /// Nothing but its own loopback interface.
    #[default]
    Isolated,
    /// Named hosts, through a proxy that writes down every connection.
    Egress(Egress),
}

/// What a session may reach through the proxy. Its commands find the proxy in the usual variables
/// (`HTTPS_PROXY` and its kin); there is no other way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Egress {
    /// The hosts, by name and port.
    pub hosts: Vec<AllowedHost>,
    /// Private addresses that a host may have. Whatever is not named here is refused even if an
    /// allowed name resolves to it; link-local and metadata addresses are refused always.
    pub private: Vec<PrivateHost>,
    /// Connections at once.
    pub connections: u32,
    /// Bytes of the whole session, both directions together.
    pub bytes: u64,
}

impl Default for Egress {
    fn default() -> Self {
        Self { hosts: Vec::new(), private: Vec::new(), connections: 64, bytes: 4 << 30 }
    }
}

impl Egress {
    /// These hosts; 64 connections at once and 4 GiB in all.
    pub fn to(hosts: impl IntoIterator<Item = AllowedHost>) -> Self {
        Self { hosts: hosts.into_iter().collect(), ..Self::default() }
    }

    /// Whether the name and port are among the hosts.
    pub fn allows(&self, name: &str, port: u16) -> bool {
        self.hosts.iter().any(|host| host.matches(name, port))
    }

    /// Whether a host of this name may have this private address.
    pub fn allows_private(&self, name: &str, address: IpAddr) -> bool {
        let name = normal(name);
        self.private.iter().any(|host| host.name == name && host.range.contains(address))
    }
}

/// A host by name and port, written `name`, `name:port` or `*.name:port`; port 443 if none is given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedHost {
    name: String,
    /// Whether every name below it is meant, and not the name itself.
    below: bool,
    port: u16,
}

impl AllowedHost {
    /// Whether a name and port are meant. Names are compared without case and without the final dot.
    pub fn matches(&self, name: &str, port: u16) -> bool {
        let name = normal(name);
        let named = if self.below {
            name.strip_suffix(self.name.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        } else {
            name == self.name
        };
        named && port == self.port
    }

    /// The port.
    pub const fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for AllowedHost {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (host, port) = match text.rsplit_once(':') {
            None => (text, 443),
            // The last colon of an IPv6 address is no port's.
            Some((host, _)) if host.contains(':') && !host.ends_with(']') => (text, 443),
            Some((host, port)) => (host, port.parse().map_err(|_| not_a_host(text))?),
        };
        let (below, name) = host.strip_prefix("*.").map_or((false, host), |name| (true, name));
        let name = normal(name.trim_start_matches('[').trim_end_matches(']'));
        let is_name = !name.is_empty() && name.len() <= 253 && name.split('.').all(is_label);
        let is_address = name.parse::<IpAddr>().is_ok();
        if port == 0 || !(is_name || is_address && !below) {
            return Err(not_a_host(text));
        }
        Ok(Self { name, below, port })
    }
}

/// A label of a host name (RFC 1123, with the underscore that some private names have).
fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.len() <= 63 && label.bytes().all(inner) && !label.starts_with('-')
}

fn not_a_host(text: &str) -> Error {
    Error::invalid("not a host that can be allowed")
        .context("host", text)
        .advice("write name, name:port or *.name:port, without a scheme or a path")
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let below = if self.below { "*." } else { "" };
        if self.name.contains(':') {
            return write!(f, "[{}]:{}", self.name, self.port);
        }
        write!(f, "{below}{}:{}", self.name, self.port)
    }
}

impl TryFrom<String> for AllowedHost {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<AllowedHost> for String {
    fn from(host: AllowedHost) -> Self {
        host.to_string()
    }
}

/// A name as it is compared: lower case, without the dot that makes it absolute.
fn normal(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// A host that may have private addresses, written `name=range`, such as `mirror.corp=10.1.0.0/16`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrivateHost {
    name: String,
    range: AddressRange,
}

impl FromStr for PrivateHost {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid("not a host with a private range")
                .context("host", text)
                .advice("write name=address/bits, such as mirror.corp=10.1.0.0/16")
        };
        let (name, range) = text.split_once('=').ok_or_else(wrong)?;
        let host: AllowedHost = format!("{name}:443").parse().map_err(|_| wrong())?;
        if host.below {
            return Err(wrong());
        }
        Ok(Self { name: host.name, range: range.parse().map_err(|_| wrong())? })
    }
}

impl fmt::Display for PrivateHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.range)
    }
}

impl TryFrom<String> for PrivateHost {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<PrivateHost> for String {
    fn from(host: PrivateHost) -> Self {
        host.to_string()
    }
}

/// Addresses with the same first bits (CIDR, RFC 4632).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AddressRange {
    first: IpAddr,
    bits: u8,
}

impl AddressRange {
    /// Whether the address is one of the range. An IPv4 address written as IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                Ipv4Addr::to_bits(first) & mask == address.to_bits() & mask
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                Ipv6Addr::to_bits(first) & mask == address.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl FromStr for AddressRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::invalid("not a range of addresses")
                .context("range", text)
                .advice("write address/bits, such as 10.1.0.0/16")
        };
        let (address, bits) = match text.split_once('/') {
            None => (text, None),
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| wrong())?)),
        };
        let first: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        if bits > most {
            return Err(wrong());
        }
        Ok(Self { first, bits })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// A connection that a session wanted, or several that came to the same: one that was made stands
/// alone, those that were not made stand together by host and port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Connection {
    /// The host as it was asked for; `*` for all those that are only counted.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How many there were.
    #[serde(default = "one")]
    pub count: u64,
    /// What it came to, the first time.
    pub outcome: ConnectionOutcome,
    /// The address that was reached.
    pub address: Option<IpAddr>,
    /// Bytes from the session.
    pub sent: u64,
    /// Bytes to the session.
    pub received: u64,
}

const fn one() -> u64 {
    1
}

impl Connection {
    /// A connection of which no byte went either way yet.
    pub fn new(host: impl Into<String>, port: u16, outcome: ConnectionOutcome) -> Self {
        Self { host: host.into(), port, count: 1, outcome, address: None, sent: 0, received: 0 }
    }
}

/// What became of a connection that a session wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", content = "reason", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConnectionOutcome {
    /// It was made.
    Allowed,
    /// It was not allowed, for this reason.
    Refused(String),
    /// It was allowed and could not be made, or broke off, for this reason.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn host(text: &str) -> AllowedHost {
        text.parse().unwrap()
    }

    #[test]
    fn a_name_means_itself_and_a_star_what_is_below() {
        assert!(host("Example.com").matches("example.COM.", 443));
        assert!(!host("example.com").matches("example.com", 80));
        assert!(!host("example.com").matches("evil-example.com", 443));
        assert!(host("*.example.com:80").matches("a.b.example.com", 80));
        for not_below in ["example.com", ".example.com", "evilexample.com", "example.com.evil"] {
            assert!(!host("*.example.com").matches(not_below, 443), "{not_below}");
        }
        assert!(host("[::1]:8080").matches("::1", 8080));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for wrong in [
            "",
            "*",
            "*.",
            "a b",
            "http://a",
            "a/b",
            "a:0",
            "a:99999",
            "a:",
            "*.1.2.3.4/8",
            "a..b",
            "-a",
        ] {
            assert!(wrong.parse::<AllowedHost>().is_err(), "{wrong}");
        }
        for wrong in ["a", "a=", "=10.0.0.0/8", "*.a=10.0.0.0/8", "a=10.0.0.0/33", "a=x/8"] {
            assert!(wrong.parse::<PrivateHost>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_private_address_belongs_to_its_host_alone() {
        let mut egress = Egress::to([host("mirror.corp"), host("other.corp")]);
        egress.private.push("mirror.corp=10.1.0.0/16".parse().unwrap());
        let inside: IpAddr = "10.1.2.3".parse().unwrap();
        assert!(egress.allows_private("Mirror.corp.", inside));
        assert!(egress.allows_private("mirror.corp", "::ffff:10.1.2.3".parse().unwrap()));
        assert!(!egress.allows_private("mirror.corp", "10.2.0.1".parse().unwrap()));
        assert!(!egress.allows_private("other.corp", inside));
    }

    #[test]
    fn a_range_of_no_bits_is_every_address_of_its_kind() {
        let all: AddressRange = "0.0.0.0/0".parse().unwrap();
        assert!(all.contains("255.1.2.3".parse().unwrap()));
        assert!(!all.contains("fe80::1".parse().unwrap()));
        let all: AddressRange = "::/0".parse().unwrap();
        assert!(all.contains("fe80::1".parse().unwrap()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(name in "[a-z][a-z0-9]{0,8}(\\.[a-z]{1,5}){0,3}", below: bool, port in 1_u16..) {
            let text = format!("{}{name}:{port}", if below { "*." } else { "" });
            prop_assert_eq!(host(&text).to_string(), text);
        }

        #[test]
        fn a_range_holds_just_the_addresses_with_its_first_bits(first: u32, other: u32, bits in 0_u8..=32) {
            let range = AddressRange { first: IpAddr::V4(first.into()), bits };
            let same = bits == 0 || (first ^ other).leading_zeros() >= u32::from(bits);
            prop_assert_eq!(range.contains(IpAddr::V4(other.into())), same);
        }
    }
}
