//! Secrets by reference; the value appears late, briefly and never in text.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    id::TenantId,
};

/// Where a secret is found, such as `env://GIT_TOKEN` or `file:///etc/architect/git-token`.
/// The scheme names the [`SecretStore`](crate::traits::SecretStore).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretRef(String);

impl SecretRef {
    /// Takes a reference as it stands.
    ///
    /// # Errors
    /// `Invalid` unless it is `scheme://locator`.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let parts = text.split_once("://");
        let legal = parts.is_some_and(|(scheme, locator)| {
            let name =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !scheme.is_empty() && scheme.bytes().all(name) && !locator.is_empty()
        });
        if legal && text.len() <= 1024 && !text.chars().any(char::is_control) {
            return Ok(Self(text));
        }
        // The text is not repeated: somebody may have pasted the secret itself.
        Err(Error::invalid("not a secret reference").advice(
            "write where the secret is, such as env://NAME or file:///path, not the secret",
        ))
    }

    /// The part before `://`.
    pub fn scheme(&self) -> &str {
        self.0.split_once("://").map_or("", |(scheme, _)| scheme)
    }

    /// The part after `://`.
    pub fn locator(&self) -> &str {
        self.0.split_once("://").map_or("", |(_, locator)| locator)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SecretRef {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<SecretRef> for String {
    fn from(reference: SecretRef) -> Self {
        reference.0
    }
}

impl FromStr for SecretRef {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

/// For whom and where a secret is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// Whose secret.
    pub tenant: TenantId,
    /// For which environment; `None` for steps that have none, such as a checkout.
    pub environment: Option<String>,
}

/// A secret's value. Wiped when dropped; neither `Debug` nor `Display` shows it.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes a value.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// The value. Call it as late as possible and keep no copy.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The value as text.
    ///
    /// # Errors
    /// `Invalid` if it is not UTF-8; the value is not in the error.
    pub fn expose_str(&self) -> Result<&str> {
        std::str::from_utf8(&self.0).map_err(|_| Error::invalid("the secret is not UTF-8 text"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
