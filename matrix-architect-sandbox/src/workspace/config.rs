//! What a workspace needs to know of its machine.

use std::path::PathBuf;

use matrix_architect_core::{Error, error::Result, git::GitAccess};
use serde::{Deserialize, Serialize};

use super::TreeLimits;

/// How a [`GitWorkspace`](super::GitWorkspace) works.
///
/// ```
/// use matrix_architect_sandbox::workspace::WorkspaceConfig;
///
/// let config = WorkspaceConfig::new("/var/lib/architect/work");
/// assert_eq!(config.access.program.to_str(), Some("git"));
/// config.validate()?;
/// # Ok::<(), matrix_architect_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkspaceConfig {
    /// The directory trees are kept under. Default `/var/tmp/matrix-architect`.
    pub directory: PathBuf,
    /// How git is run, and whom it trusts.
    pub access: GitAccess,
    /// How large trees and changes may be.
    pub limits: TreeLimits,
}

impl Default for WorkspaceConfig {
    fn default() -> Self {
        Self {
            directory: "/var/tmp/matrix-architect".into(),
            access: GitAccess::default(),
            limits: TreeLimits::default(),
        }
    }
}

impl WorkspaceConfig {
    /// The defaults with trees kept under `directory`.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), ..Self::default() }
    }

    /// Checks each field.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let wrong =
            |message: &'static str, field| Err(Error::invalid(message).context("field", field));
        if self.directory.as_os_str().is_empty() {
            return wrong("the directory is empty", "directory");
        }
        self.access.validate()?;
        self.limits.validate()
    }
}
