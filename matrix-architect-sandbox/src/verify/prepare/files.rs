//! A few files in memory as a tree.

use std::collections::BTreeMap;

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    error::{Error, Result},
    path::RelPath,
    traits::{ByteStream, EntryKind, Tree, TreeEntry},
};

/// Files by path.
#[derive(Clone, Debug, Default)]
pub(super) struct Files(BTreeMap<RelPath, Bytes>);

impl Files {
    pub(super) fn insert(&mut self, path: RelPath, content: Bytes) {
        self.0.insert(path, content);
    }
}

impl<'a> Extend<(&'a RelPath, &'a Bytes)> for Files {
    fn extend<T: IntoIterator<Item = (&'a RelPath, &'a Bytes)>>(&mut self, files: T) {
        self.0.extend(files.into_iter().map(|(path, content)| (path.clone(), content.clone())));
    }
}

#[async_trait]
impl Tree for Files {
    async fn read(&self, path: &RelPath) -> Result<Option<Bytes>> {
        Ok(self.0.get(path).cloned())
    }

    async fn list(&self) -> Result<Vec<TreeEntry>> {
        let entry = |(path, content): (&RelPath, &Bytes)| TreeEntry {
            path: path.clone(),
            kind: EntryKind::File,
            size: content.len() as u64,
        };
        Ok(self.0.iter().map(entry).collect())
    }

    async fn pack(&self) -> Result<ByteStream> {
        let failed = |cause| Error::unexpected("files could not be packed").source(cause);
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in &self.0 {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_mtime(0);
            archive.append_data(&mut header, path.as_path(), content.as_ref()).map_err(failed)?;
        }
        Ok(ByteStream::once(archive.into_inner().map_err(failed)?))
    }
}
