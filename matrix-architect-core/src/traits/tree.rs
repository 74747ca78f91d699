//! A tree of files, wherever it is.

use std::{fmt::Debug, path::Path};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::ByteStream;
use crate::{error::Result, path::RelPath};

/// What a tree's entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntryKind {
    /// A file.
    File,
    /// An executable file.
    Executable,
    /// A symbolic link; it is listed and packed, never followed.
    Symlink,
}

/// One entry of a tree; directories are implied by the paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeEntry {
    /// Where.
    pub path: RelPath,
    /// What.
    pub kind: EntryKind,
    /// Bytes.
    pub size: u64,
}

/// A read-only tree of files.
///
/// # Contract
/// 1. `list` is in path order and names every entry once.
/// 2. `read` of a path that is no file is `None`; it never follows a symbolic link.
/// 3. `pack` yields the same bytes for the same tree: a POSIX (ustar/pax) tar archive in path
///    order with owner, group and time zero and modes 0644, 0755 and 0777.
/// 4. Git's own folder is no part of a tree.
///
/// # Cancellation
/// All calls are pure reads and may be dropped.
#[async_trait]
pub trait Tree: Debug + Send + Sync {
    /// The content of a file, or `None` if there is no such file.
    async fn read(&self, path: &RelPath) -> Result<Option<Bytes>>;

    /// Every entry in path order.
    async fn list(&self) -> Result<Vec<TreeEntry>>;

    /// The tree as a tar archive.
    async fn pack(&self) -> Result<ByteStream>;

    /// The directory it is in on this machine, if it is.
    fn local(&self) -> Option<&Path> {
        None
    }
}
