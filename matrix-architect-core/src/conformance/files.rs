//! A tree of a few files in memory, for suites that need something to work on.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    error::Result,
    path::RelPath,
    traits::{ByteStream, EntryKind, Tree, TreeEntry},
};

/// Files by path; those that start with `#!` are executable.
#[derive(Clone, Debug, Default)]
pub struct Files(BTreeMap<RelPath, Bytes>);

impl Files {
    /// A tree of these files.
    ///
    /// # Errors
    /// `Invalid` if a path is no path inside a tree.
    pub fn new(files: &[(&str, &str)]) -> Result<Self> {
        let file = |(path, content): &(&str, &str)| {
            Ok((RelPath::new(*path)?, Bytes::copy_from_slice(content.as_bytes())))
        };
        files.iter().map(file).collect::<Result<_>>().map(Self)
    }
}

fn kind(content: &Bytes) -> EntryKind {
    if content.starts_with(b"#!") { EntryKind::Executable } else { EntryKind::File }
}

#[async_trait]
impl Tree for Files {
    async fn read(&self, path: &RelPath) -> Result<Option<Bytes>> {
        Ok(self.0.get(path).cloned())
    }

    async fn list(&self) -> Result<Vec<TreeEntry>> {
        let entry = |(path, content): (&RelPath, &Bytes)| TreeEntry {
            path: path.clone(),
            kind: kind(content),
            size: content.len() as u64,
        };
        Ok(self.0.iter().map(entry).collect())
    }

    async fn pack(&self) -> Result<ByteStream> {
        let mut archive = Vec::new();
        for (path, content) in &self.0 {
            archive.extend(header(path, content));
            archive.extend_from_slice(content);
            archive.resize(archive.len().next_multiple_of(BLOCK), 0);
        }
        archive.resize(archive.len() + 2 * BLOCK, 0);
        Ok(ByteStream::once(archive))
    }
}

const BLOCK: usize = 512;

/// A ustar header (POSIX.1-1988): fixed fields, numbers in octal, a sum of its bytes.
fn header(path: &RelPath, content: &Bytes) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| block[at..at + text.len()].copy_from_slice(text);
    put(0, path.as_str().as_bytes());
    put(100, if kind(content) == EntryKind::Executable { b"0000755" } else { b"0000644" });
    put(108, b"0000000\x000000000\x00");
    put(124, format!("{:011o}\0{:011o}\0", content.len(), 0).as_bytes());
    put(148, b"        0ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
