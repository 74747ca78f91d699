//! The trees of a job while one worker holds it.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::Mutex;

use super::{Parts, writer::Writer};
use crate::{
    error::{Error, Result},
    id::Digest,
    traits::{Body, ByteStream, Tree},
};

/// Trees that an earlier stage of the same worker left on disk, so that they are not unpacked
/// again. Only a shortcut: whatever is missing is unpacked from its artifact.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    trees: Mutex<Vec<(Digest, Arc<dyn Tree>)>>,
}

impl Scratch {
    /// Keeps a tree under the digest of its packed form.
    pub(crate) async fn keep(&self, digest: Digest, tree: Arc<dyn Tree>) {
        self.trees.lock().await.push((digest, tree));
    }

    /// The tree with that packed form.
    pub(crate) async fn tree(
        &self,
        parts: &Parts,
        writer: &Writer,
        digest: Option<Digest>,
    ) -> Result<Arc<dyn Tree>> {
        let digest = digest.ok_or_else(|| Error::unexpected("an earlier stage left no tree"))?;
        let mut trees = self.trees.lock().await;
        if let Some((_, tree)) = trees.iter().find(|(known, _)| *known == digest) {
            return Ok(Arc::clone(tree));
        }
        let packed = parts.artifacts.get(&writer.job.tenant, &digest, None).await?;
        let tree = parts.workspace.unpack(packed).await?;
        trees.push((digest, Arc::clone(&tree)));
        Ok(tree)
    }
}

/// A tree as a body that can be packed again and again.
pub(crate) struct Packed(pub(crate) Arc<dyn Tree>);

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packed({:?})", self.0)
    }
}

impl Body for Packed {
    fn open(&self) -> ByteStream {
        let tree = Arc::clone(&self.0);
        let pieces = stream::once(async move { tree.pack().await }).try_flatten();
        ByteStream::new(pieces.boxed())
    }
}

/// Reads a small artifact whole.
pub(crate) async fn read(parts: &Parts, writer: &Writer, digest: &Digest) -> Result<Bytes> {
    const CAP: usize = 64 << 20;
    parts.artifacts.get(&writer.job.tenant, digest, None).await?.collect(CAP).await
}
