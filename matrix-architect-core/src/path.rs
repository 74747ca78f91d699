//! Paths inside a tree: relative, normal, and never on the way out.

use std::{fmt, path::Path, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// A path relative to the root of a tree, `/`-separated, in UTF-8.
///
/// No empty, `.` or `..` component, no leading `/`, no NUL or control character, no backslash, at
/// most 4096 bytes and 255 a component. That is all a path can promise by its text; whether it
/// crosses a symbolic link is decided where it is opened.
///
/// ```
/// use matrix_architect_core::path::RelPath;
///
/// assert!(RelPath::new("src/lib.rs").is_ok());
/// assert!(RelPath::new("../etc/passwd").is_err());
/// assert!(RelPath::new("/etc/passwd").is_err());
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RelPath(String);

impl RelPath {
    /// Takes a path as it stands; nothing is normalised away.
    ///
    /// # Errors
    /// `Invalid` with code `unsafe_path` for anything that is not a plain relative path.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        match flaw(&text) {
            None => Ok(Self(text)),
            Some(flaw) => Err(Error::invalid(format!("not a path inside the tree: {flaw}"))
                .code("unsafe_path")
                .context("path", text.escape_debug().take(200).collect::<String>())
                .advice("use a relative path with '/' between its parts and no '..'")),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path for the file system, still relative.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The components from the root down.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }
}

fn flaw(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.len() > 4096 {
        return Some("it is longer than 4096 bytes");
    }
    if text.starts_with('/') {
        return Some("it is absolute");
    }
    if text.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    if text.contains('\\') {
        return Some("it has a backslash");
    }
    text.split('/').find_map(|part| match part {
        "" => Some("it has an empty component"),
        "." => Some("it has a '.' component"),
        ".." => Some("it has a '..' component"),
        _ if part.len() > 255 => Some("a component is longer than 255 bytes"),
        _ => None,
    })
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath({})", self.0)
    }
}

impl TryFrom<String> for RelPath {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<RelPath> for String {
    fn from(path: RelPath) -> Self {
        path.0
    }
}

impl FromStr for RelPath {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}
