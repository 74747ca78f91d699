//! Lists a directory's files and links without following any.

use std::ffi::CStr;

use matrix_architect_core::{
    Error,
    error::Result,
    path::RelPath,
    traits::{EntryKind, TreeEntry},
};
use rustix::fs::{AtFlags, Dir, FileType, Stat, statat};

use super::{beneath::Beneath, fault::fault};

/// Every file and link in path order. Git's own folder is left out, and so are sockets, pipes and
/// devices, as Git leaves them out.
pub(super) fn walk(root: &Beneath) -> Result<Vec<TreeEntry>> {
    let mut entries = Vec::new();
    // A list and not recursion: a hostile tree can be deeper than the stack or the descriptors.
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        scan(root, &folder, &mut entries, &mut folders)?;
    }
    entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn scan(
    root: &Beneath,
    folder: &str,
    entries: &mut Vec<TreeEntry>,
    folders: &mut Vec<String>,
) -> Result<()> {
    let failed =
        |source| fault(source, "cannot list the folder", root.path().join(folder).display());
    let fd = root.folder(folder).map_err(failed)?;
    for entry in Dir::read_from(&fd).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") || name.to_bytes().eq_ignore_ascii_case(b".git")
        {
            continue;
        }
        let stat = statat(&fd, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
        let path = join(folder, name)?;
        match kind_of(&stat) {
            Kind::Folder => folders.push(path.into()),
            Kind::Entry(kind) => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                entries.push(TreeEntry { path, kind, size });
            }
            Kind::Other => {}
        }
    }
    Ok(())
}

/// What a directory entry is to a tree.
pub(super) enum Kind {
    /// A folder.
    Folder,
    /// A file or link.
    Entry(EntryKind),
    /// Nothing a tree knows.
    Other,
}

pub(super) fn kind_of(stat: &Stat) -> Kind {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Entry(EntryKind::Symlink),
        FileType::RegularFile if stat.st_mode & 0o100 != 0 => Kind::Entry(EntryKind::Executable),
        FileType::RegularFile => Kind::Entry(EntryKind::File),
        _ => Kind::Other,
    }
}

fn join(folder: &str, name: &CStr) -> Result<RelPath> {
    let name = name.to_str().map_err(|source| {
        Error::invalid("a file's name is not UTF-8")
            .code("unsafe_path")
            .context("folder", folder)
            .context("name", name.to_bytes().escape_ascii())
            .advice("rename the file, or name a subfolder without it")
            .source(source)
    })?;
    if folder.is_empty() { RelPath::new(name) } else { RelPath::new(format!("{folder}/{name}")) }
}
