//! What a release has to look like, so that a damaged one is never made live.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use matrix_architect_core::{error::Result, id::Digest};
use serde::{Deserialize, Serialize};

use crate::disk;

/// What a release has to look like, by path. Files a service adds at run time are not in it and
/// do not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest(pub(super) BTreeMap<String, Item>);

/// One thing of a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Item {
    File { digest: Digest, executable: bool },
    Link { target: String },
    Folder,
}

impl Manifest {
    /// The stored manifest; `None` if there is none that can be read.
    pub(super) fn load(path: &Path) -> Result<Option<Self>> {
        Ok(disk::read(path)?.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    pub(super) fn store(&self, path: &Path) -> Result<()> {
        let bytes = serde_json::to_vec(self)
            .map_err(|e| disk::failed(e.into(), "the manifest could not be written", path))?;
        disk::replace(path, &bytes, 0o644)
    }

    /// Whether everything is there and as it was unpacked.
    pub(super) fn matches(&self, release: &Path) -> bool {
        release.is_dir() && self.0.iter().all(|(path, item)| item.matches(&release.join(path)))
    }
}

impl Item {
    fn matches(&self, path: &Path) -> bool {
        let Ok(found) = fs::symlink_metadata(path) else { return false };
        match self {
            Self::Folder => found.is_dir(),
            Self::Link { target } => {
                fs::read_link(path).is_ok_and(|link| link == Path::new(target))
            }
            Self::File { digest, executable } => {
                found.is_file()
                    && (found.permissions().mode() & 0o111 != 0) == *executable
                    && digest_of(path).is_ok_and(|actual| actual == *digest)
            }
        }
    }
}

fn digest_of(path: &Path) -> io::Result<Digest> {
    let mut file = fs::File::open(path)?;
    let mut hasher = Digest::hasher();
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            count => hasher.update(&piece[..count]),
        }
    }
}
