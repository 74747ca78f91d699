//! Where files are, and that their names are durable.

use std::{
    collections::HashSet,
    fs::{DirBuilder, File},
    io::ErrorKind as IoKind,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use matrix_architect_core::{
    error::Result,
    id::{Digest, TenantId},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use super::fault;

/// Writers at the same time. Each has two threads of Tokio's 512 that may block, and whoever feeds
/// it may need one as well.
const WRITERS: usize = 64;

/// The directory of a store.
#[derive(Debug)]
pub(super) struct Place {
    root: PathBuf,
    /// Directories that this process knows to be durable, up to the root.
    durable: Mutex<HashSet<PathBuf>>,
    writers: Semaphore,
}

impl Place {
    pub(super) fn open(root: PathBuf) -> Result<Self> {
        let writers = Semaphore::new(WRITERS);
        let place = Self { root, durable: Mutex::default(), writers };
        // Directories above the root are made too, but are not the store's to close or to sync.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&place.root)
            .map_err(|source| fault::at(&place.root, "cannot make the directory", source))?;
        place.ensure(&place.incoming())?;
        place.ensure(&place.tenants())?;
        Ok(place)
    }

    /// A turn at writing. It is over when it is dropped.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // Never closed, so always there.
        self.writers.acquire().await.ok()
    }

    /// Where files are written.
    pub(super) fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Above the tenants' directories.
    pub(super) fn tenants(&self) -> PathBuf {
        self.root.join("tenants")
    }

    /// Where content is kept. A tenant's id is a legal file name by its own rules.
    pub(super) fn blob(&self, tenant: &TenantId, digest: &Digest) -> PathBuf {
        let name = digest.hex();
        self.tenants().join(tenant.as_str()).join(&name[..2]).join(name)
    }

    /// Makes a directory below the root, and all between, without waiting for the disk.
    pub(super) fn make(&self, directory: &Path) -> Result<()> {
        if self.is_durable(directory) {
            return Ok(());
        }
        self.make(directory.parent().unwrap_or(&self.root))?;
        create(directory)
    }

    fn is_durable(&self, directory: &Path) -> bool {
        let durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        directory == self.root || durable.contains(directory)
    }

    /// Makes a directory below the root, and all between, and syncs their names.
    pub(super) fn ensure(&self, directory: &Path) -> Result<()> {
        if self.is_durable(directory) {
            return Ok(());
        }
        let above = directory.parent().unwrap_or(&self.root);
        self.ensure(above)?;
        create(directory)?;
        // Also when it was there: whoever made it may not have lived to sync it.
        sync(above)?;
        let mut durable = self.durable.lock().unwrap_or_else(PoisonError::into_inner);
        durable.insert(directory.to_owned());
        Ok(())
    }

    /// Removes a file, durably; it is no error if there is none.
    #[expect(clippy::unused_self, reason = "only files of a place are removed")]
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        match std::fs::remove_file(path) {
            Ok(()) => path.parent().map_or(Ok(()), sync),
            Err(source) if source.kind() == IoKind::NotFound => Ok(()),
            Err(source) => Err(fault::at(path, "cannot delete the artifact", source)),
        }
    }
}

fn create(directory: &Path) -> Result<()> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(source) if source.kind() != IoKind::AlreadyExists => {
            Err(fault::at(directory, "cannot make the directory", source))
        }
        _ => Ok(()),
    }
}

/// Waits until the names in a directory are on the disk.
pub(super) fn sync(directory: &Path) -> Result<()> {
    File::open(directory)
        .and_then(|open| open.sync_all())
        .map_err(|source| fault::at(directory, "cannot sync the directory", source))
}

/// The entries of a directory; none if there is no such directory.
pub(super) fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    let list = match std::fs::read_dir(directory) {
        Ok(list) => list,
        Err(source) if source.kind() == IoKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(fault::at(directory, "cannot list the directory", source)),
    };
    list.map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()
        .map_err(|source| fault::at(directory, "cannot list the directory", source))
}
