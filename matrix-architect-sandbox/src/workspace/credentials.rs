//! Hands a secret to git so that it stands in no argument, no URL and no environment: in a file of
//! mode 0600 in a directory of mode 0700 that is gone when git has ended.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use matrix_architect_core::{
    error::Result,
    git::{RemoteUrl, credential},
    secret::Secret,
};

use super::{Scratch, ScratchDir, fault::fault};

/// A secret in a file for as long as this lives.
#[derive(Debug)]
pub(super) struct Credentials {
    file: PathBuf,
    _directory: ScratchDir,
}

impl Credentials {
    /// Writes the secret down for the host of `url`.
    pub(super) fn write(scratch: &Arc<Scratch>, url: &RemoteUrl, secret: &Secret) -> Result<Self> {
        let directory = scratch.directory()?;
        let failed = |source| fault(source, "cannot hand over the credentials", "-");
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(directory.path(), private).map_err(failed)?;
        let content = credential(url, secret)?;
        let file = directory.path().join("secret");
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .and_then(|mut file| file.write_all(content.expose()))
            .map_err(failed)?;
        Ok(Self { file, _directory: directory })
    }

    /// Where git finds it.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }
}
