//! Whether there is a git that can be worked with, asked before it is needed.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use matrix_architect_core::{Error, ErrorKind, error::Result, plan::RepoSpec};

use super::{WorkspaceConfig, fault::fault, source::Source};

/// The first git that obeys `GIT_CONFIG_GLOBAL` (git's release notes of 2.32): before it, the
/// settings that keep a repository's tricks out would be read by nobody.
const OLDEST: (u32, u32) = (2, 32);

const REMEDY: &str = "install git 2.32 or newer, for instance with: apt-get install git";

impl WorkspaceConfig {
    /// Whether git is needed to get at this repository: always, but for a plain folder.
    pub fn needs_git(&self, repo: &RepoSpec) -> bool {
        // One that cannot be is refused for a better reason than a missing git.
        matches!(Source::of(repo, &self.access), Ok(Source::Local(_) | Source::Remote { .. }))
    }

    /// The version of git that a workspace of this configuration works with. Runs `git --version`.
    ///
    /// # Errors
    /// `Unsupported` with code `git_missing`, `git_broken` if it does not run or says no version,
    /// or `git_too_old` before 2.32.
    pub fn git_version(&self) -> Result<String> {
        let mut command = Command::new(&self.access.program);
        command.arg("--version").env_clear().env("PATH", &self.access.path).stdin(Stdio::null());
        let output = command.output().map_err(|cause| missing(&self.access.program, cause))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let version = said.trim().strip_prefix("git version ").filter(|_| output.status.success());
        let Some(version) = version else {
            return Err(unsupported("git does not run", "git_broken")
                .context("program", self.access.program.display())
                .context("status", output.status));
        };
        if parsed(version) < OLDEST {
            return Err(unsupported("git is too old", "git_too_old").context("version", version));
        }
        Ok(version.to_owned())
    }
}

/// Git could not be started.
pub(super) fn missing(program: &Path, cause: std::io::Error) -> Error {
    if cause.kind() == std::io::ErrorKind::NotFound {
        return unsupported("git is not installed", "git_missing")
            .context("program", program.display())
            .source(cause);
    }
    fault(cause, "cannot start git", program.display()).advice(REMEDY)
}

fn unsupported(message: &'static str, code: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, message).code(code).advice(REMEDY)
}

/// Major and minor; nothing that is no version is new enough.
fn parsed(version: &str) -> (u32, u32) {
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(parsed("2.47.3") >= OLDEST && parsed("3.0") >= OLDEST);
        assert!(parsed("2.32.0.windows.1") >= OLDEST);
        assert!(parsed("2.9.5") < OLDEST && parsed("2.31.8") < OLDEST && parsed("junk") < OLDEST);
    }
}
