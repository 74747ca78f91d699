//! What an operator decides about the bubblewrap sandbox.

use std::path::PathBuf;

use matrix_architect_core::error::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::native::NativeConfig;

/// Configuration of [`BwrapSandbox`](super::BwrapSandbox).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct BwrapConfig {
    /// Where sessions have their directories; one that other users cannot write to.
    pub directory: PathBuf,
    /// The program. Default: `bwrap` where the system keeps programs.
    #[serde(default = "program")]
    pub program: PathBuf,
    /// Toolchains and cgroups, as for the native sandbox.
    #[serde(default)]
    pub native: NativeConfig,
}

fn program() -> PathBuf {
    PathBuf::from("/usr/bin/bwrap")
}

impl BwrapConfig {
    /// Sessions in this directory, with the system's `bwrap`.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), program: program(), native: NativeConfig::default() }
    }

    /// With these toolchains and this use of cgroups.
    #[must_use]
    pub fn native(mut self, native: NativeConfig) -> Self {
        self.native = native;
        self
    }

    /// Checks that all paths can be paths.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        self.native.validate()?;
        for (field, path) in [("directory", &self.directory), ("program", &self.program)] {
            if !path.is_absolute() {
                return Err(Error::invalid("a path of the bubblewrap sandbox is not absolute")
                    .context("field", field)
                    .context("path", path.display())
                    .advice("write the path from '/'"));
            }
        }
        Ok(())
    }
}
