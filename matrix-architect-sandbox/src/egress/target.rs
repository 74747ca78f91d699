//! Whom a request is for, read strictly: a name has one spelling, and so has an address.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// A host and port as they were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// A name in lower case without a final dot, or an address in its usual form.
    pub(super) host: String,
    pub(super) port: u16,
    /// The address, where one was asked for.
    pub(super) address: Option<IpAddr>,
}

/// Why a text is no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misread {
    /// It is neither a name nor an address.
    Malformed,
    /// A user name or password stands before the host.
    Credentials,
    /// It is an address that some programs would read and others not.
    Disguised,
}

impl Target {
    /// Reads `host:port`; the port may be missing where one is known.
    pub(super) fn authority(text: &str, known: Option<u16>) -> Result<Self, Misread> {
        if text.contains('@') {
            return Err(Misread::Credentials);
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or(Misread::Malformed)?;
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':').ok_or(Misread::Malformed)?),
                };
                (Host::V6(host), port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (Host::Name(host), Some(port)),
                None => (Host::Name(text), None),
            },
        };
        let port = match port {
            Some(text) => number(text)?,
            None => known.ok_or(Misread::Malformed)?,
        };
        let (host, address) = host.read()?;
        Ok(Self { host, port, address })
    }

    /// Reads `http://host:port/path` and returns what stands after the authority, at least `/`.
    pub(super) fn url(text: &str) -> Result<(Self, String), Misread> {
        let (scheme, rest) = text.split_once("://").ok_or(Misread::Malformed)?;
        if !scheme.eq_ignore_ascii_case("http") || rest.contains('#') {
            return Err(Misread::Malformed);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        // Some readers end the authority at a backslash.
        if authority.contains('\\') {
            return Err(Misread::Malformed);
        }
        let target = Self::authority(authority, Some(80))?;
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok((target, path))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(IpAddr::V6(_)) => write!(f, "[{}]:{}", self.host, self.port),
            _ => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Host<'a> {
    Name(&'a str),
    V6(&'a str),
}

impl Host<'_> {
    fn read(self) -> Result<(String, Option<IpAddr>), Misread> {
        match self {
            Self::V6(text) => {
                let address: Ipv6Addr = text.parse().map_err(|_| Misread::Malformed)?;
                Ok((address.to_string(), Some(address.into())))
            }
            Self::Name(text) => {
                let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
                if name.is_empty() || name.len() > 253 || !name.split('.').all(is_label) {
                    return Err(Misread::Malformed);
                }
                if !ends_in_a_number(&name) {
                    return Ok((name, None));
                }
                let address: Ipv4Addr = name.parse().map_err(|_| Misread::Disguised)?;
                Ok((name, Some(address.into())))
            }
        }
    }
}

/// A label of a host name; the underscore is not RFC 1123's, and is in use.
fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !label.is_empty() && label.len() <= 63 && label.bytes().all(inner)
}

/// What the C library reads as an address, octal, hexadecimal and short forms included, ends in a
/// number; no name that can be registered does (the URL standard's "ends in a number").
fn ends_in_a_number(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = last
        .strip_prefix("0x")
        .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    hexadecimal || last.bytes().all(|byte| byte.is_ascii_digit())
}

/// A port: digits alone, not zero.
fn number(text: &str) -> Result<u16, Misread> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0).ok_or(Misread::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn authority(text: &str) -> Result<String, Misread> {
        Target::authority(text, None).map(|target| target.to_string())
    }

    #[test]
    fn a_host_has_one_spelling() {
        assert_eq!(authority("Example.COM.:443").unwrap(), "example.com:443");
        assert_eq!(authority("[0:0:0:0:0:0:0:1]:80").unwrap(), "[::1]:80");
        assert_eq!(authority("1.2.3.4:80").unwrap(), "1.2.3.4:80");
        let (target, path) = Target::url("http://Example.com?q=1").unwrap();
        assert_eq!((target.to_string().as_str(), path.as_str()), ("example.com:80", "/?q=1"));
    }

    #[test]
    fn an_address_in_disguise_is_known() {
        for text in [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "127.1",
            "127.0.1",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "127.0.0.01",
            "017700000001",
            "127.0.0.0x1",
            "1.2.3.4.5",
            "256.1.1.1",
            "example.0x",
            "example.1",
        ] {
            let read = Target::authority(text, Some(80));
            assert_eq!(read, Err(Misread::Disguised), "{text}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:+80",
            "a: 80",
            "a:80:80",
            "[::1",
            "[::1]80",
            "[::1%25eth0]:80",
            "[127.0.0.1]:80",
            "a b:80",
            "a/b:80",
            "a\\b:80",
            "a%2eb:80",
            "a..b:80",
            ".a:80",
            "bücher.example:80",
            "a\0b:80",
            "::1:80",
            "a:000080",
        ] {
            assert_eq!(authority(text), Err(Misread::Malformed), "{text}");
        }
        assert_eq!(authority("user:secret@host:80"), Err(Misread::Credentials));
        for url in [
            "https://a/",
            "ftp://a/",
            "//a/",
            "http:/a",
            "http:///a",
            "http://a#b",
            "http://a\\@b/",
            "/path",
            "*",
        ] {
            assert!(Target::url(url).is_err(), "{url}");
        }
        assert_eq!(Target::url("http://allowed@evil/"), Err(Misread::Credentials));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_read_the_same_again(text in "\\PC{0,40}") {
            if let Ok(target) = Target::authority(&text, Some(80)) {
                let again = Target::authority(&target.to_string(), None).unwrap();
                prop_assert_eq!(again, target);
            }
        }

        #[test]
        fn a_name_that_the_c_library_takes_for_an_address_is_never_a_name(
            parts in prop::collection::vec("(0x[0-9a-f]{1,8}|0[0-7]{1,11}|[0-9]{1,10})", 1..5)
        ) {
            let read = Target::authority(&parts.join("."), Some(80));
            prop_assert!(!matches!(read, Ok(Target { address: None, .. })), "{:?}", read);
        }
    }
}
