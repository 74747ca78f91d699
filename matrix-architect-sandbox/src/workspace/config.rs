//! What a workspace needs to know of its machine.

use std::{collections::BTreeMap, path::PathBuf};

use matrix_architect_core::{Error, error::Result};
use serde::{Deserialize, Serialize};

use super::TreeLimits;

/// How a [`GitWorkspace`](super::GitWorkspace) works.
///
/// ```
/// use matrix_architect_sandbox::workspace::WorkspaceConfig;
///
/// let config = WorkspaceConfig::new("/var/lib/architect/work");
/// assert_eq!(config.git.to_str(), Some("git"));
/// config.validate()?;
/// # Ok::<(), matrix_architect_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorkspaceConfig {
    /// The directory trees are kept under. Default `/var/tmp/matrix-architect`.
    pub directory: PathBuf,
    /// The git program. Default `git`, found on `path`.
    pub git: PathBuf,
    /// Where git finds itself, `sh` and `ssh`; git gets nothing of this process's environment.
    /// Default the usual system folders.
    pub path: String,
    /// The file of host keys that ssh trusts. Default ssh's own, of this process's user.
    pub ssh_known_hosts: Option<PathBuf>,
    /// Whether repositories are fetched over unencrypted `http`. Default no.
    pub allow_http: bool,
    /// Further git settings, such as `http.proxy` or `http.sslCAInfo`. Default none. They are the
    /// operator's word and are not checked; nothing of a repository ever gets here.
    pub git_settings: BTreeMap<String, String>,
    /// How large trees and changes may be.
    pub limits: TreeLimits,
}

impl Default for WorkspaceConfig {
    fn default() -> Self {
        Self {
            directory: "/var/tmp/matrix-architect".into(),
            git: "git".into(),
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ssh_known_hosts: None,
            allow_http: false,
            git_settings: BTreeMap::new(),
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
        if self.git.as_os_str().is_empty() {
            return wrong("the git program is empty", "git");
        }
        for (name, value) in &self.git_settings {
            let legal =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '/' | ':' | '_');
            if !name.contains('.') || !name.chars().all(legal) || value.contains('\0') {
                return wrong("not a git setting such as http.proxy", "git_settings")
                    .map_err(|error: Error| error.context("setting", name));
            }
        }
        self.limits.validate()
    }
}
