//! Copies files from one directory to another, both beneath their roots.

use std::io;

use matrix_architect_core::{
    Error,
    error::{ErrorKind, Result},
    traits::{EntryKind, TreeEntry},
};

use super::{
    beneath::{Beneath, TreeWriter},
    fault::fault,
    limits::Budget,
    links::Links,
};

/// Copies entries in path order. Nothing is shared with the source afterwards, neither by hard link
/// nor by symbolic link. Links go to `links`, to be made once all files are there.
pub(super) fn copy<'e>(
    from: &Beneath,
    writer: &mut TreeWriter,
    entries: impl Iterator<Item = &'e TreeEntry>,
    budget: &mut Budget,
    links: &mut Links,
) -> Result<()> {
    for entry in entries {
        budget.charge(entry.size)?;
        if entry.kind == EntryKind::Symlink {
            let target = from.link(&entry.path).map_err(|source| failed(source.into(), entry))?;
            links.insert(entry.path.clone(), &target)?;
        } else {
            copy_file(from, writer, entry)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Beneath, writer: &mut TreeWriter, entry: &TreeEntry) -> Result<()> {
    let mut source = from.file(&entry.path).map_err(|source| failed(source.into(), entry))?;
    let executable = entry.kind == EntryKind::Executable;
    let mut target =
        writer.file(&entry.path, executable).map_err(|source| failed(source, entry))?;
    // Between two files the standard library copies in the kernel (copy_file_range(2)).
    let copied = io::copy(&mut source, &mut target).map_err(|source| failed(source, entry))?;
    if copied != entry.size {
        return Err(Error::new(ErrorKind::Conflict, "the file changed while it was copied")
            .context("path", &entry.path));
    }
    Ok(())
}

fn failed(source: io::Error, entry: &TreeEntry) -> Error {
    fault(source, "cannot copy the file", &entry.path)
}
