//! Artifacts in memory.

use std::{collections::BTreeMap, ops::Range, sync::Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::locked;
use crate::{
    error::{Error, Result},
    id::{Digest, TenantId},
    traits::{ArtifactStore, Body, ByteStream, ScrubReport},
};

/// Artifacts in memory, at most 1 GiB each, whose content a test can damage.
#[derive(Debug, Default)]
pub struct MemoryArtifacts(Mutex<BTreeMap<(TenantId, Digest), Bytes>>);

impl MemoryArtifacts {
    /// Without any.
    pub fn new() -> Self {
        Self::default()
    }

    /// Flips a bit of a stored artifact. Says whether there was one.
    pub fn damage(&self, tenant: &TenantId, digest: &Digest) -> bool {
        let mut all = locked(&self.0);
        let Some(bytes) = all.get_mut(&(tenant.clone(), *digest)) else { return false };
        let mut content = bytes.to_vec();
        match content.first_mut() {
            Some(byte) => *byte ^= 1,
            None => content.push(0),
        }
        *bytes = content.into();
        true
    }

    fn find(&self, tenant: &TenantId, digest: &Digest) -> Result<Bytes> {
        let found = locked(&self.0).get(&(tenant.clone(), *digest)).cloned();
        found
            .ok_or_else(|| Error::not_found("there is no such artifact").context("digest", *digest))
    }
}

#[async_trait]
impl ArtifactStore for MemoryArtifacts {
    async fn put(&self, tenant: &TenantId, body: &dyn Body) -> Result<(Digest, u64)> {
        let content = body.open().collect(1 << 30).await?;
        let (digest, size) = (Digest::of(&content), content.len() as u64);
        locked(&self.0).insert((tenant.clone(), digest), content);
        Ok((digest, size))
    }

    async fn get(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        let content = self.find(tenant, digest)?;
        if Digest::of(&content) != *digest {
            return Err(Error::unexpected("the artifact is damaged")
                .code("damaged_artifact")
                .context("digest", *digest));
        }
        let Some(range) = range else { return Ok(ByteStream::once(content)) };
        let cut = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
        if range.start > content.len() as u64 || range.end < range.start {
            return Err(Error::invalid("the range is outside of the artifact")
                .context("size", content.len()));
        }
        Ok(ByteStream::once(content.slice(cut(range.start)..cut(range.end))))
    }

    async fn size(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<u64>> {
        let all = locked(&self.0);
        Ok(all.get(&(tenant.clone(), *digest)).map(|content| content.len() as u64))
    }

    async fn delete(&self, tenant: &TenantId, digest: &Digest) -> Result<()> {
        locked(&self.0).remove(&(tenant.clone(), *digest));
        Ok(())
    }

    async fn scrub(&self) -> Result<ScrubReport> {
        let all = locked(&self.0);
        let damaged = all.iter().filter(|((_, digest), content)| Digest::of(content) != *digest);
        let corrupt = damaged.map(|((_, digest), _)| *digest).collect();
        Ok(ScrubReport::new(all.len() as u64, corrupt))
    }
}
