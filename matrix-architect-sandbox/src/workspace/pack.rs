//! Packs a tree as a tar archive that depends on nothing but the tree.

use std::io::{self, Read, Write};

use matrix_architect_core::{
    Error,
    error::{ErrorKind, Result},
    path::RelPath,
    traits::{ByteStream, EntryKind, TreeEntry},
};
use tar::{Builder, EntryType, Header};

use super::{
    DirTree,
    beneath::Beneath,
    fault::fault,
    pieces::{Pieces, written},
    walk::walk,
};

/// The name and link fields of a ustar header; longer ones go into a pax header.
const FIELD: usize = 100;

/// The tree as a stream. A thread reads the files; it stops when the stream is dropped.
pub(super) fn pack(tree: DirTree) -> ByteStream {
    written(move |pieces| write(tree.root(), pieces))
}

fn write(root: &Beneath, pieces: &mut Pieces) -> Result<()> {
    let mut builder = Builder::new(pieces);
    for entry in walk(root)? {
        append(&mut builder, root, &entry)?;
    }
    builder
        .into_inner()
        .and_then(Write::flush)
        .map_err(|source| fault(source, "cannot pack the tree", root.path().display()))
}

fn append(builder: &mut Builder<&mut Pieces>, root: &Beneath, entry: &TreeEntry) -> Result<()> {
    let path = &entry.path;
    let failed = |source: io::Error| fault(source, "cannot pack the file", path);
    if entry.kind == EntryKind::Symlink {
        let target = root.link(path).map_err(|source| failed(source.into()))?;
        let mut header = header(entry.kind, 0);
        name(builder, &mut header, path, &target).map_err(failed)?;
        return builder.append(&header, io::empty()).map_err(failed);
    }
    let file = root.file(path).map_err(|source| failed(source.into()))?;
    let mut header = header(entry.kind, entry.size);
    name(builder, &mut header, path, b"").map_err(failed)?;
    builder.append(&header, Exact { file, left: entry.size }).map_err(|source| {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            Error::new(ErrorKind::Conflict, "the file shrank while it was packed")
                .context("path", path)
        } else {
            failed(source)
        }
    })
}

fn header(kind: EntryKind, size: u64) -> Header {
    let (entry_type, mode) = match kind {
        EntryKind::File => (EntryType::Regular, 0o644),
        EntryKind::Executable => (EntryType::Regular, 0o755),
        EntryKind::Symlink => (EntryType::Symlink, 0o777),
    };
    let mut header = Header::new_ustar();
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

/// Writes path and link target into the header, or before it into a pax header if they are long.
fn name(
    builder: &mut Builder<&mut Pieces>,
    header: &mut Header,
    path: &RelPath,
    target: &[u8],
) -> io::Result<()> {
    let mut long: Vec<(&str, &[u8])> = Vec::new();
    let path = path.as_str().as_bytes();
    if header.set_path(std::str::from_utf8(path).unwrap_or_default()).is_err() {
        long.push(("path", path));
        let shown = path.len().min(FIELD);
        header.as_mut_bytes()[..shown].copy_from_slice(&path[..shown]);
    }
    if target.len() > FIELD {
        long.push(("linkpath", target));
        header.set_link_name_literal(&target[..FIELD])?;
    } else if !target.is_empty() {
        header.set_link_name_literal(target)?;
    }
    header.set_cksum();
    builder.append_pax_extensions(long)
}

/// Just as many bytes as the header promised.
struct Exact<R> {
    file: R,
    left: u64,
}

impl<R: Read> Read for Exact<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if want == 0 {
            return Ok(0);
        }
        let got = self.file.read(&mut buffer[..want])?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= got as u64;
        Ok(got)
    }
}
