//! A tree in a directory of this machine.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    Error,
    error::Result,
    path::RelPath,
    traits::{ByteStream, Tree, TreeEntry},
};
use rustix::io::Errno;

use super::{beneath::Beneath, fault::fault, pack::pack, scratch::ScratchDir, walk::walk};

/// A tree in a directory of this machine. Clones share the directory; one that came from a
/// [`Scratch`](super::Scratch) is removed when the last clone and the last stream of it are gone.
///
/// ```
/// use matrix_architect_core::{path::RelPath, traits::Tree};
/// use matrix_architect_sandbox::workspace::DirTree;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let directory = tempfile::tempdir().unwrap();
/// std::fs::write(directory.path().join("hello.txt"), "hello").unwrap();
/// let tree = DirTree::open(directory.path())?;
/// let content = tree.read(&RelPath::new("hello.txt")?).await?;
/// assert_eq!(content.as_deref(), Some(&b"hello"[..]));
/// # Ok::<(), matrix_architect_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct DirTree(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: Arc<Beneath>,
    /// Removes the directory; absent if the directory is somebody else's.
    _owned: Option<ScratchDir>,
}

impl DirTree {
    /// A tree over somebody else's directory, which stays when the tree is dropped.
    ///
    /// # Errors
    /// `NotFound` if there is no such directory.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self> {
        let root = Beneath::open(path.into())?;
        Ok(Self(Arc::new(Inner { root, _owned: None })))
    }

    /// A tree over a directory that goes with it.
    ///
    /// # Errors
    /// `NotFound` if the directory was removed meanwhile.
    pub fn owned(directory: ScratchDir) -> Result<Self> {
        let root = Beneath::open(directory.path().to_owned())?;
        Ok(Self(Arc::new(Inner { root, _owned: Some(directory) })))
    }

    pub(super) fn root(&self) -> &Arc<Beneath> {
        &self.0.root
    }

    /// The content of a file, read on this thread.
    pub(super) fn read_now(&self, path: &RelPath) -> Result<Option<Bytes>> {
        let mut file = match self.0.root.file(path) {
            Ok(file) => file,
            // Absent, a link, a folder or a pipe: no file.
            Err(Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::NXIO) => {
                return Ok(None);
            }
            Err(source) => return Err(fault(source, "cannot open the file", path)),
        };
        let mut content = Vec::new();
        file.read_to_end(&mut content)
            .map_err(|source| fault(source, "cannot read the file", path))?;
        Ok(Some(content.into()))
    }
}

#[async_trait]
impl Tree for DirTree {
    async fn read(&self, path: &RelPath) -> Result<Option<Bytes>> {
        let (tree, path) = (self.clone(), path.clone());
        on_blocking_thread(move || tree.read_now(&path)).await
    }

    async fn list(&self) -> Result<Vec<TreeEntry>> {
        let tree = self.clone();
        on_blocking_thread(move || walk(&tree.0.root)).await
    }

    async fn pack(&self) -> Result<ByteStream> {
        Ok(pack(self.clone()))
    }

    fn local(&self) -> Option<&Path> {
        Some(self.0.root.path())
    }
}

/// Runs file system work where it may block.
pub(super) async fn on_blocking_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(source) => Err(Error::unexpected("the file system work did not end").source(source)),
    }
}
