//! A tree that is nowhere but in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    error::{Error, Result},
    path::RelPath,
    traits::{ByteStream, EntryKind, Tree, TreeEntry},
};

/// A tree of plain files in memory. It is packed as JSON, not as tar: only
/// [`MemoryWorkspace`](super::MemoryWorkspace) unpacks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryTree {
    files: BTreeMap<RelPath, String>,
}

impl MemoryTree {
    /// A tree of these files.
    ///
    /// # Errors
    /// `Invalid` for a path that leaves the tree.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let file = |(path, content): (&str, &str)| Ok((RelPath::new(path)?, content.to_owned()));
        Ok(Self { files: files.into_iter().map(file).collect::<Result<_>>()? })
    }

    /// The content of a file.
    pub fn get(&self, path: &RelPath) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    pub(super) fn set(&mut self, path: RelPath, content: String) {
        self.files.insert(path, content);
    }

    pub(super) fn remove(&mut self, path: &RelPath) {
        self.files.remove(path);
    }

    pub(super) fn unpacked(bytes: &[u8]) -> Result<Self> {
        let files = serde_json::from_slice(bytes)
            .map_err(|source| Error::invalid("not a packed memory tree").source(source))?;
        Ok(Self { files })
    }

    pub(super) fn packed(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(&self.files)
            .map_err(|source| Error::unexpected("a tree has no JSON form").source(source))
    }
}

#[async_trait]
impl Tree for MemoryTree {
    async fn read(&self, path: &RelPath) -> Result<Option<Bytes>> {
        Ok(self.get(path).map(|content| Bytes::from(content.to_owned())))
    }

    async fn list(&self) -> Result<Vec<TreeEntry>> {
        let entry = |(path, content): (&RelPath, &String)| TreeEntry {
            path: path.clone(),
            kind: EntryKind::File,
            size: content.len() as u64,
        };
        Ok(self.files.iter().map(entry).collect())
    }

    async fn pack(&self) -> Result<ByteStream> {
        Ok(ByteStream::once(self.packed()?))
    }
}
