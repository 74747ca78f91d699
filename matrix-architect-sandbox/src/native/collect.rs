//! Takes files out of the tree, as an archive. Runs inside the session's root as the commands'
//! user, after the commands have ended.
//!
//! Names come from the file system, never from an archive or an index that a command could have
//! written. Every file is opened beneath the tree without following any link (`openat2`,
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`), and what is archived is what was opened.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufWriter, Write as _},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use globset::GlobSet;
use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags};

use super::{
    fault::Fault,
    root::TREE,
    wire::{CollectRequest, Reply},
};
use crate::common::{header, patterns, stays_inside};

/// Writes the archive.
pub(super) fn main(what: &CollectRequest, archive: OwnedFd) -> Reply {
    match collect(Path::new(TREE), what, archive) {
        Ok(()) => Reply::Done,
        Err(Stop::TooLarge { what, cap }) => Reply::TooLarge { what: what.to_owned(), cap },
        Err(Stop::Io(cause)) => Reply::Failed(Fault::new("collecting files", &cause)),
    }
}

/// Writes the archive of a tree on the host, in which no command runs any more, to a new file.
#[cfg(feature = "bwrap")]
pub(crate) fn collect_beneath(
    tree: &Path,
    what: &matrix_architect_core::traits::Collect,
    archive: &Path,
) -> matrix_architect_core::error::Result<()> {
    let request = CollectRequest {
        patterns: what.patterns.clone(),
        max_bytes: what.max_bytes,
        max_entries: what.max_entries,
    };
    let written = File::create_new(archive)
        .map_err(Stop::Io)
        .and_then(|file| collect(tree, &request, file.into()));
    match written {
        Ok(()) => Ok(()),
        Err(Stop::TooLarge { what, cap }) => Err(crate::common::too_large(what, cap)),
        Err(Stop::Io(cause)) => Err(Fault::new("collecting files", &cause).into_error()),
    }
}

#[derive(Debug)]
enum Stop {
    TooLarge { what: &'static str, cap: u64 },
    Io(io::Error),
}

impl<E: Into<io::Error>> From<E> for Stop {
    fn from(cause: E) -> Self {
        Self::Io(cause.into())
    }
}

fn collect(root: &Path, what: &CollectRequest, archive: OwnedFd) -> Result<(), Stop> {
    let globs = patterns(&what.patterns).map_err(io::Error::other)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tree = rustix::fs::open(root, flags, Mode::empty())?;
    let mut found = BTreeSet::new();
    walk(&tree, Path::new(""), false, &globs, what.max_entries, &mut found)?;
    let mut writer = tar::Builder::new(BufWriter::with_capacity(256 << 10, File::from(archive)));
    let mut left = what.max_bytes;
    for path in &found {
        append(&mut writer, &tree, path, &mut left, what.max_bytes)?;
    }
    writer.into_inner()?.flush()?;
    Ok(())
}

/// Deeper folders than these are nobody's build; each level takes a descriptor and some stack.
const MOST_LEVELS: usize = 512;

/// Finds what matches, and everything below a directory that does, in path order.
fn walk(
    directory: &OwnedFd,
    path: &Path,
    inside_match: bool,
    globs: &GlobSet,
    cap: u64,
    found: &mut BTreeSet<PathBuf>,
) -> Result<(), Stop> {
    if path.components().count() > MOST_LEVELS {
        return Err(Stop::TooLarge { what: "levels of folders", cap: MOST_LEVELS as u64 });
    }
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            continue;
        }
        // A name that is no text cannot be a path inside a tree.
        let Ok(name) = str::from_utf8(name) else { continue };
        let child = path.join(name);
        let matches = inside_match || globs.is_match(&child);
        let kind = kind_of(directory, name, entry.file_type())?;
        if kind == FileType::Directory {
            let Ok(below) = open_beneath(directory, Path::new(name), OFlags::DIRECTORY) else {
                continue;
            };
            walk(&below, &child, matches, globs, cap, found)?;
        } else if matches && matches!(kind, FileType::RegularFile | FileType::Symlink) {
            found.insert(child);
            if found.len() as u64 > cap {
                return Err(Stop::TooLarge { what: "entries", cap });
            }
        }
    }
    Ok(())
}

fn kind_of(directory: &OwnedFd, name: &str, told: FileType) -> rustix::io::Result<FileType> {
    if told != FileType::Unknown {
        return Ok(told);
    }
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    Ok(FileType::from_raw_mode(rustix::fs::statat(directory, name, flags)?.st_mode))
}

fn open_beneath(tree: &OwnedFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(tree, path, flags, Mode::empty(), resolve)
}

fn append(
    writer: &mut tar::Builder<BufWriter<File>>,
    tree: &OwnedFd,
    path: &Path,
    left: &mut u64,
    cap: u64,
) -> Result<(), Stop> {
    let opened = open_beneath(tree, path, OFlags::PATH)?;
    let found = rustix::fs::fstat(&opened)?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => {
            let size = u64::try_from(found.st_size).unwrap_or(0);
            *left = left.checked_sub(size).ok_or(Stop::TooLarge { what: "bytes", cap })?;
            let file = File::from(open_beneath(tree, path, OFlags::RDONLY | OFlags::NONBLOCK)?);
            let mut header = header(tar::EntryType::Regular, found.st_mode & 0o111 != 0);
            header.set_size(size);
            Ok(writer.append_data(&mut header, path, io::Read::take(file, size))?)
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&opened, "", Vec::new())?;
            let Ok(target) = target.to_str() else { return Ok(()) };
            if !stays_inside(path, Path::new(target)) {
                return Ok(());
            }
            let mut header = header(tar::EntryType::Symlink, false);
            Ok(writer.append_link(&mut header, path, target)?)
        }
        _ => Ok(()),
    }
}
