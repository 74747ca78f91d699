//! Artifacts on the file system: content in files that are named by its SHA-256, per tenant.
//!
//! ```text
//! ROOT/incoming/<number>                 being written; locked by its writer
//! ROOT/tenants/<tenant>/<2 digits>/<64>  complete, durable, never changed
//! ```
//!
//! A file gets its final name in one step, after its content is on the disk, and the call returns
//! after the name is. A writer that dies leaves at most an unlocked file in `incoming`, which the
//! next [`FileArtifacts::open`] removes. Two processes may use one directory at the same time.

mod blob;
mod chunks;
mod fault;
mod format;
mod incoming;
mod place;

use std::{fmt::Debug, ops::Range, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, Result},
    id::{Digest, TenantId},
    traits::{ArtifactStore, Body, ByteStream, ScrubReport},
};

use tokio::sync::{mpsc, oneshot};

use self::{blob::Blob, chunks::Chunks, incoming::Incoming, place::Place};
use crate::blocking::blocking;

/// Chunks that may wait for the hash or for the disk.
const AHEAD: usize = 4;

/// Content-addressed artifacts under one directory.
///
/// Content is cut into chunks of 1 MiB, each compressed where that pays and each with a checksum,
/// so that a range is cheap and damage is found before a byte of its chunk is served. Whole
/// content is also hashed on the way, and its last chunk is served only if the digest is right.
///
/// Directories it makes are closed to other users. Tenants share nothing, not even equal content.
///
/// ```
/// use bytes::Bytes;
/// use matrix_architect_core::{id::TenantId, traits::ArtifactStore as _};
/// use matrix_architect_store::files::FileArtifacts;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let folder = tempfile::tempdir().unwrap();
/// let artifacts = FileArtifacts::open(folder.path().join("artifacts")).await?;
/// let tenant = TenantId::default();
/// let (digest, size) = artifacts.put(&tenant, &Bytes::from("hello")).await?;
/// let content = artifacts.get(&tenant, &digest, None).await?.collect(1024).await?;
/// assert_eq!((&content[..], size), (&b"hello"[..], 5));
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct FileArtifacts {
    place: Arc<Place>,
}

impl FileArtifacts {
    /// Opens a directory, or makes it, and removes what dead writers left.
    ///
    /// # Errors
    /// `Denied` if the directory may not be used, `Unavailable` if the disk is full or read-only.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self> {
        let root = root.into();
        let place = blocking(move || {
            let place = Place::open(root)?;
            incoming::sweep(&place)?;
            Ok(place)
        });
        Ok(Self { place: Arc::new(place.await?) })
    }

    async fn blob(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<Blob>> {
        let (path, digest) = (self.place.blob(tenant, digest), *digest);
        blocking(move || Blob::open(&path, digest)).await
    }
}

#[async_trait]
impl ArtifactStore for FileArtifacts {
    async fn put(&self, tenant: &TenantId, body: &dyn Body) -> Result<(Digest, u64)> {
        let _turn = self.place.turn().await;
        let (to_hash, hashed) = mpsc::channel(AHEAD);
        let (to_write, written) = mpsc::channel(AHEAD);
        let (to_name, name) = oneshot::channel();
        let mut chunks = Chunks::of(body.open());
        let feeding = async move {
            while let Some(chunk) = chunks.next().await? {
                // Whoever stopped listening has an error, and says it below.
                if to_hash.send(chunk.clone()).await.is_err() || to_write.send(chunk).await.is_err()
                {
                    break;
                }
            }
            Ok(())
        };
        let naming = async move {
            let ((), digest) =
                tokio::try_join!(feeding, blocking(move || Ok(incoming::hash(hashed))))?;
            // A writer that is gone has an error, and says it below.
            let _ = to_name.send(digest);
            Ok::<_, Error>(digest)
        };
        let (place, tenant) = (Arc::clone(&self.place), tenant.clone());
        let writing = blocking(move || Incoming::create(&place)?.take(written, name, &tenant));
        // Hashed and written side by side. If this future is dropped, both end by themselves and
        // the unnamed file goes with its handle.
        let (digest, size) = tokio::join!(naming, writing);
        Ok((digest?, size?))
    }

    async fn get(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        let blob = self.blob(tenant, digest).await?.ok_or_else(|| unknown(digest))?;
        blob.read(range)
    }

    async fn size(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<u64>> {
        Ok(self.blob(tenant, digest).await?.map(|blob| blob.size()))
    }

    async fn delete(&self, tenant: &TenantId, digest: &Digest) -> Result<()> {
        let (place, path) = (Arc::clone(&self.place), self.place.blob(tenant, digest));
        blocking(move || place.remove(&path)).await
    }

    async fn scrub(&self) -> Result<ScrubReport> {
        let place = Arc::clone(&self.place);
        blocking(move || blob::scrub(&place)).await
    }
}

fn unknown(digest: &Digest) -> Error {
    Error::not_found("there is no such artifact").context("digest", digest)
}
