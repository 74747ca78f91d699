//! What whoever is not let through is told, and what is written down of it.

use std::{io, net::IpAddr};

use matrix_architect_core::traits::ConnectionOutcome;

use super::{
    fields::Malformed,
    head::Unread,
    target::{Misread, Target},
};

/// Why a connection was not made.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The head did not come, or not in time.
    Slow,
    /// The head is too long.
    Long,
    /// The request is none.
    Malformed(Malformed),
    /// The host cannot be read.
    Misread(Misread),
    /// Nobody allowed it.
    NotListed,
    /// Its address is somebody's own, and was not named.
    Private(IpAddr, &'static str),
    /// Its address is never reached.
    Never(IpAddr, &'static str),
    /// The session has had its bytes.
    Spent(u64),
    /// The name has no address, or cannot be looked up.
    Lookup(io::Error),
    /// No address answers.
    Connect(io::Error),
    /// What answers does not speak HTTP.
    Answer(String),
}

impl From<Unread> for Refusal {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Malformed(malformed) => Self::Malformed(malformed),
            Unread::Host(misread) => Self::Misread(misread),
        }
    }
}

impl Refusal {
    /// The reason in words, as it is written down.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Slow => "the request did not come in time".to_owned(),
            Self::Long => "the request's head is too long".to_owned(),
            Self::Malformed(Malformed(why)) => (*why).to_owned(),
            Self::Misread(Misread::Malformed) => {
                "the host is neither a name nor an address".to_owned()
            }
            Self::Misread(Misread::Credentials) => {
                "the URL holds a user name or password".to_owned()
            }
            Self::Misread(Misread::Disguised) => {
                "the host is an address in an unusual form".to_owned()
            }
            Self::NotListed => "it is not among the hosts that the session may reach".to_owned(),
            Self::Private(address, why) | Self::Never(address, why) => {
                format!("it is at {address}, {why}")
            }
            Self::Spent(cap) => format!("the session has used up its {cap} bytes"),
            Self::Lookup(error) => format!("the name cannot be looked up: {error}"),
            Self::Connect(error) => format!("it cannot be connected to: {error}"),
            Self::Answer(why) => why.clone(),
        }
    }

    pub(super) fn outcome(&self) -> ConnectionOutcome {
        match self {
            Self::Lookup(_) | Self::Connect(_) | Self::Answer(_) => {
                ConnectionOutcome::Failed(self.reason())
            }
            _ => ConnectionOutcome::Refused(self.reason()),
        }
    }

    const fn status(&self) -> &'static str {
        match self {
            Self::Slow => "408 Request Timeout",
            Self::Long => "431 Request Header Fields Too Large",
            Self::Malformed(_) | Self::Misread(_) => "400 Bad Request",
            Self::NotListed | Self::Private(..) | Self::Never(..) | Self::Spent(_) => {
                "403 Forbidden"
            }
            Self::Lookup(_) | Self::Connect(_) | Self::Answer(_) => "502 Bad Gateway",
        }
    }

    fn remedy(&self, target: &str) -> String {
        match self {
            Self::NotListed => format!("whoever runs this session can allow {target}"),
            Self::Never(..) => "it is never let through".to_owned(),
            Self::Private(address, _) => {
                format!("whoever runs this session can name the host with its range, {address}")
            }
            Self::Spent(_) => "whoever runs this session can allow more".to_owned(),
            Self::Misread(Misread::Credentials) => {
                "send credentials in a header field, through a tunnel".to_owned()
            }
            Self::Misread(Misread::Disguised) => "write it with four decimal numbers".to_owned(),
            Self::Lookup(_) | Self::Connect(_) | Self::Answer(_) => {
                "see whether the host is up".to_owned()
            }
            _ => "send one request of HTTP/1.1 on each connection".to_owned(),
        }
    }

    /// The answer.
    pub(super) fn answer(&self, target: Option<&Target>) -> Vec<u8> {
        let target = target.map_or_else(|| "the request".to_owned(), ToString::to_string);
        let (reason, remedy) = (self.reason(), self.remedy(&target));
        let body = format!("architect: {target} was not let through: {reason}; {remedy}\n");
        let (status, length) = (self.status(), body.len());
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }
}
