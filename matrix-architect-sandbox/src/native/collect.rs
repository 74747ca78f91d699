//! Takes files out of the tree, as an archive. Runs inside the session's root as the commands'
//! user, after the commands have ended; services may still write.
//!
//! Names come from the file system, never from an archive or an index that a command could have
//! written. Every file is opened beneath the tree without following any link (`openat2`,
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`), and what is archived is what was opened. An archive
//! that could not be made whole is an error: what cannot be read is never left out.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufWriter, Read, Write as _},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

use globset::GlobSet;
use rustix::{
    fs::{Dir, FileType, Mode, OFlags, ResolveFlags},
    io::Errno,
};

use super::{
    fault::Fault,
    root::TREE,
    wire::{CollectRequest, Reply},
};
use crate::common::{header, patterns, stays_inside};

/// Deeper folders than these are nobody's build; each level takes a descriptor.
const MOST_LEVELS: usize = 512;

/// The kernel opens nothing by a longer path (`PATH_MAX` with its end).
const LONGEST_PATH: usize = 4095;

/// Writes the archive.
pub(super) fn main(what: &CollectRequest, archive: OwnedFd) -> Reply {
    match collect(Path::new(TREE), what, archive) {
        Ok(()) => Reply::Done,
        Err(Stop::TooLarge { what, cap }) => Reply::TooLarge { what: what.to_owned(), cap },
        Err(Stop::Io { cause, path }) => Reply::Failed(fault(&cause, &path)),
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
        .map_err(Stop::from)
        .and_then(|file| collect(tree, &request, file.into()));
    match written {
        Ok(()) => Ok(()),
        Err(Stop::TooLarge { what, cap }) => Err(crate::common::too_large(what, cap)),
        Err(Stop::Io { cause, path }) => Err(fault(&cause, &path).into_error()),
    }
}

#[derive(Debug)]
enum Stop {
    TooLarge {
        what: &'static str,
        cap: u64,
    },
    Io {
        cause: io::Error,
        /// On which file, if it was about one.
        path: PathBuf,
    },
}

impl Stop {
    fn at(cause: impl Into<io::Error>, path: &Path) -> Self {
        Self::Io { cause: cause.into(), path: path.to_owned() }
    }
}

impl<E: Into<io::Error>> From<E> for Stop {
    fn from(cause: E) -> Self {
        Self::at(cause, Path::new(""))
    }
}

fn fault(cause: &io::Error, path: &Path) -> Fault {
    let fault = Fault::new("collecting files", cause);
    match (path.to_str(), cause.raw_os_error()) {
        (None | Some(""), _) => fault,
        (Some(path), Some(_)) => fault.on(path),
        (Some(path), None) => fault.on(format!("{path}: {cause}")),
    }
}

fn collect(root: &Path, what: &CollectRequest, archive: OwnedFd) -> Result<(), Stop> {
    let globs = patterns(&what.patterns).map_err(io::Error::other)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let tree = rustix::fs::open(root, flags, Mode::empty())?;
    let found = find(&tree, &globs, what.max_entries)?;
    let mut writer = tar::Builder::new(BufWriter::with_capacity(256 << 10, File::from(archive)));
    let mut left = what.max_bytes;
    for path in &found {
        append(&mut writer, &tree, path, &mut left, what.max_bytes)?;
    }
    writer.into_inner()?.flush()?;
    Ok(())
}

/// A folder that is being gone through.
#[derive(Debug)]
struct Level {
    entries: Dir,
    /// It matches, or lies in one that does.
    is_wanted: bool,
}

/// Finds what matches, and everything below a directory that does, in path order. Holds one
/// descriptor for each level and one path in all, however deep and long a command made them.
fn find(tree: &OwnedFd, globs: &GlobSet, cap: u64) -> Result<BTreeSet<PathBuf>, Stop> {
    let mut found = BTreeSet::new();
    let mut path = PathBuf::new();
    let mut levels = vec![Level { entries: Dir::read_from(tree)?, is_wanted: false }];
    while let Some(level) = levels.last_mut() {
        let Some(entry) = level.entries.read() else {
            levels.pop();
            path.pop();
            continue;
        };
        let entry = entry.map_err(|cause| Stop::at(cause, &path))?;
        // A name that is no text cannot be a path inside a tree.
        let Ok(name) = entry.file_name().to_str() else { continue };
        if matches!(name, "." | "..") {
            continue;
        }
        path.push(name);
        if path.as_os_str().len() > LONGEST_PATH {
            return Err(Stop::TooLarge { what: "bytes of a path", cap: LONGEST_PATH as u64 });
        }
        let is_wanted = level.is_wanted || globs.is_match(&path);
        match look(&level.entries, name, entry.file_type()) {
            Ok(Seen::Folder(entries)) if levels.len() < MOST_LEVELS => {
                levels.push(Level { entries, is_wanted });
                continue;
            }
            Ok(Seen::Folder(_)) => {
                return Err(Stop::TooLarge { what: "levels of folders", cap: MOST_LEVELS as u64 });
            }
            Ok(Seen::Kept) if is_wanted && found.len() as u64 == cap => {
                return Err(Stop::TooLarge { what: "entries", cap });
            }
            Ok(Seen::Kept) if is_wanted => {
                found.insert(path.clone());
            }
            Ok(Seen::Kept | Seen::Other) => {}
            Err(cause) if is_gone(cause) => {}
            Err(cause) => return Err(Stop::at(cause, &path)),
        }
        path.pop();
    }
    Ok(found)
}

/// What an entry of a folder is.
#[derive(Debug)]
enum Seen {
    Folder(Dir),
    /// A file or a link.
    Kept,
    Other,
}

fn look(folder: &Dir, name: &str, told: FileType) -> rustix::io::Result<Seen> {
    let folder = folder.fd()?;
    let kind = if told == FileType::Unknown {
        let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
        FileType::from_raw_mode(rustix::fs::statat(folder, name, flags)?.st_mode)
    } else {
        told
    };
    Ok(match kind {
        FileType::Directory => {
            Seen::Folder(Dir::new(open_beneath(folder, Path::new(name), OFlags::DIRECTORY)?)?)
        }
        FileType::RegularFile | FileType::Symlink => Seen::Kept,
        _ => Seen::Other,
    })
}

/// Whether it is not there any more, or something else is in its place.
fn is_gone(cause: Errno) -> bool {
    matches!(cause, Errno::NOENT | Errno::NOTDIR | Errno::LOOP)
}

fn open_beneath(tree: impl AsFd, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(tree, path, flags, Mode::empty(), resolve)
}

/// Opens what was found; `None` if it is gone.
fn open_found(tree: &OwnedFd, path: &Path, flags: OFlags) -> Result<Option<OwnedFd>, Stop> {
    match open_beneath(tree, path, flags) {
        Ok(opened) => Ok(Some(opened)),
        Err(cause) if is_gone(cause) => Ok(None),
        Err(cause) => Err(Stop::at(cause, path)),
    }
}

fn append(
    writer: &mut tar::Builder<BufWriter<File>>,
    tree: &OwnedFd,
    path: &Path,
    left: &mut u64,
    cap: u64,
) -> Result<(), Stop> {
    let Some(opened) = open_found(tree, path, OFlags::PATH)? else { return Ok(()) };
    match FileType::from_raw_mode(rustix::fs::fstat(&opened)?.st_mode) {
        FileType::RegularFile => {
            let flags = OFlags::RDONLY | OFlags::NONBLOCK;
            let Some(opened) = open_found(tree, path, flags)? else { return Ok(()) };
            // Of what is read, whatever the name stood for a moment ago.
            let found = rustix::fs::fstat(&opened)?;
            if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
                return Ok(());
            }
            let size = u64::try_from(found.st_size).unwrap_or(0);
            *left = left.checked_sub(size).ok_or(Stop::TooLarge { what: "bytes", cap })?;
            let mut header = header(tar::EntryType::Regular, found.st_mode & 0o111 != 0);
            header.set_size(size);
            let content = Whole { file: File::from(opened), left: size };
            writer.append_data(&mut header, path, content).map_err(|cause| Stop::at(cause, path))
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

/// As many bytes of a file as its header tells, or an error: an archive with fewer says something
/// else from there on.
#[derive(Debug)]
struct Whole<R> {
    file: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.by_ref().take(self.left).read(buffer)?;
        self.left -= read as u64;
        if read == 0 && self.left > 0 && !buffer.is_empty() {
            let why = "it became shorter while it was read";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
