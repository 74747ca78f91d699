//! Content, found by its digest.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    error::{Error, Result},
    id::{Digest, TenantId},
    traits::{ArtifactStore, Body, ByteStream, ScrubReport},
};

/// The largest artifact this process takes into its memory.
const LARGEST: usize = 1 << 30;

type Blobs = BTreeMap<(TenantId, Digest), Bytes>;

/// Artifacts in memory.
#[derive(Debug, Default)]
pub struct MemoryArtifacts(Mutex<Blobs>);

impl MemoryArtifacts {
    /// Without any.
    pub fn new() -> Self {
        Self::default()
    }

    fn blobs(&self) -> MutexGuard<'_, Blobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Flips a bit of what is stored under a digest, so that tests see damage found. Says whether
    /// there was something to damage.
    pub fn damage(&self, tenant: &TenantId, digest: &Digest) -> bool {
        let mut blobs = self.blobs();
        let Some(blob) = blobs.get_mut(&(tenant.clone(), *digest)) else { return false };
        let mut bytes = blob.to_vec();
        match bytes.first_mut() {
            Some(byte) => *byte ^= 1,
            None => bytes.push(0),
        }
        *blob = bytes.into();
        true
    }
}

#[async_trait]
impl ArtifactStore for MemoryArtifacts {
    async fn put(&self, tenant: &TenantId, body: &dyn Body) -> Result<(Digest, u64)> {
        let bytes = body.open().collect(LARGEST).await?;
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        self.blobs().insert((tenant.clone(), digest), bytes);
        Ok((digest, size))
    }

    async fn get(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        let bytes = self.blobs().get(&(tenant.clone(), *digest)).cloned();
        let bytes =
            bytes.ok_or_else(|| Error::not_found("no such artifact").context("digest", digest))?;
        if Digest::of(&bytes) != *digest {
            return Err(Error::unexpected("the artifact is damaged")
                .code("damaged_artifact")
                .context("digest", digest));
        }
        let Some(range) = range else { return Ok(ByteStream::once(bytes)) };
        let size = bytes.len() as u64;
        if range.start > size || range.end < range.start {
            return Err(Error::invalid("the range is outside of the artifact")
                .context("digest", digest)
                .context("size", size));
        }
        let place = |at: u64| usize::try_from(at.min(size)).unwrap_or(bytes.len());
        Ok(ByteStream::once(bytes.slice(place(range.start)..place(range.end))))
    }

    async fn size(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<u64>> {
        let blobs = self.blobs();
        Ok(blobs.get(&(tenant.clone(), *digest)).map(|bytes| bytes.len() as u64))
    }

    async fn delete(&self, tenant: &TenantId, digest: &Digest) -> Result<()> {
        self.blobs().remove(&(tenant.clone(), *digest));
        Ok(())
    }

    async fn scrub(&self) -> Result<ScrubReport> {
        let blobs = self.blobs().clone();
        let corrupt = blobs.iter().filter(|((_, digest), bytes)| Digest::of(bytes) != *digest);
        let corrupt: Vec<Digest> = corrupt.map(|((_, digest), _)| *digest).collect();
        Ok(ScrubReport::new(blobs.len() as u64, corrupt))
    }
}
