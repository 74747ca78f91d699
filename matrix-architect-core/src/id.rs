//! Names of things: ids that callers make, and digests of content.
//!
//! Ids are made by the caller, so that a retried call names the same thing. They sort by the
//! time they were made when [`Ids`](crate::traits::Ids) yields time-ordered numbers (UUID v7).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Crockford's base 32, lower case: sorts like the number and has no look-alike letters.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn encode(number: u128) -> String {
    (0..26).rev().map(|place| ALPHABET[((number >> (place * 5)) & 31) as usize] as char).collect()
}

fn check_name(what: &'static str, text: &str) -> Result<()> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if starts_well && text.len() <= 128 && text.bytes().all(legal) {
        return Ok(());
    }
    Err(Error::invalid(format!("not a legal {what}"))
        .context("value", text.escape_debug().take(140).collect::<String>())
        .advice("use 1 to 128 letters, digits, '-', '_' or '.', the first a letter or digit"))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Takes a name as it stands.
            ///
            /// # Errors
            /// `Invalid` unless it is 1 to 128 letters, digits, `-`, `_` or `.`, the first a letter
            /// or a digit.
            pub fn new(text: impl Into<String>) -> Result<Self> {
                let text = text.into();
                check_name($what, &text)?;
                Ok(Self(text))
            }

            /// A fresh id from a unique number, such as one of [`Ids`](crate::traits::Ids).
            pub fn from_number(number: u128) -> Self {
                Self(format!(concat!($prefix, "{}"), encode(number)))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }
    };
}

name!(
    /// One job: one change on its way through the pipeline.
    JobId, "job id", "job_");
name!(
    /// One worker process or task.
    WorkerId, "worker id", "worker_");
name!(
    /// One write to a job. Replaying it returns its first answer.
    CommitId, "commit id", "commit_");
name!(
    /// One request for leases. Replaying it returns the same leases.
    RequestId, "request id", "req_");
name!(
    /// One question to an approver.
    ApprovalId, "approval id", "apr_");
name!(
    /// One sandbox session.
    SessionId, "session id", "ses_");
name!(
    /// One outbox message.
    MessageId, "message id", "msg_");
name!(
    /// A person, a machine account or a tool.
    PrincipalId, "principal id", "prn_");
name!(
    /// A customer, team or installation whose things nobody else sees.
    TenantId, "tenant id", "ten_");

impl Default for TenantId {
    /// The tenant of an installation that has only one.
    fn default() -> Self {
        Self("default".to_owned())
    }
}

/// The SHA-256 of some bytes.
///
/// Written `sha256:` and 64 lower-case hexadecimal digits.
///
/// ```
/// use matrix_architect_core::id::Digest;
///
/// let digest = Digest::of(b"hello");
/// assert_eq!(digest.to_string().parse::<Digest>()?, digest);
/// assert!(digest.hex().starts_with("2cf24dba"));
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Hashes bytes that are all at hand.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes.as_ref()).into())
    }

    /// A hasher for bytes that come in pieces.
    pub fn hasher() -> DigestHasher {
        DigestHasher(Sha256::new())
    }

    /// Takes 32 bytes that are a SHA-256 already.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hexadecimal digits, without the `sha256:`.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }
}

/// Hashes bytes that come in pieces into a [`Digest`].
#[derive(Clone, Debug)]
pub struct DigestHasher(Sha256);

impl DigestHasher {
    /// Adds a piece.
    pub fn update(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.update(bytes.as_ref());
    }

    /// The digest of all pieces in order.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({})", self.hex())
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bytes = text.strip_prefix("sha256:").and_then(unhex).ok_or_else(|| {
            Error::invalid("not a SHA-256 digest")
                .context("value", text.escape_debug().take(80).collect::<String>())
                .advice("write 'sha256:' and 64 lower-case hexadecimal digits")
        })?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// Lower-case hexadecimal digits of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// A Git object name: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GitOid(String);

impl GitOid {
    /// Takes an object name as Git prints it.
    ///
    /// # Errors
    /// `Invalid` unless it is 40 or 64 lower-case hexadecimal digits.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits && matches!(text.len(), 40 | 64) {
            return Ok(Self(text));
        }
        Err(Error::invalid("not a Git object name")
            .context("value", text.escape_debug().take(80).collect::<String>()))
    }

    /// The object name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, enough for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl fmt::Display for GitOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for GitOid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GitOid({})", self.0)
    }
}

impl TryFrom<String> for GitOid {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<GitOid> for String {
    fn from(oid: GitOid) -> Self {
        oid.0
    }
}
