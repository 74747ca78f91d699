//! A directory from which no path leads out.
//!
//! Every path is resolved by the kernel from the directory's descriptor with `openat2` and
//! `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, so neither `..` nor a symbolic link nor a directory
//! that is swapped during the walk can lead outside.

use std::{fs::File, io, path::PathBuf, sync::Arc};

use matrix_architect_core::{error::Result, path::RelPath};
use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid},
    io::Errno,
};

use super::fault::fault;

const RESOLVE: ResolveFlags =
    ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const MODE_OF_FOLDERS: Mode = Mode::from_raw_mode(0o755);
/// The kernel asks for another try when a rename elsewhere races with the walk.
const TRIES: u32 = 64;

/// An open directory.
#[derive(Debug)]
pub(crate) struct Beneath {
    fd: OwnedFd,
    path: PathBuf,
    /// Whom what is made in it is given to, if not to who makes it.
    owner: Option<u32>,
}

impl Beneath {
    pub(super) fn open(path: PathBuf) -> Result<Arc<Self>> {
        let fd = rustix::fs::openat(CWD, &path, FOLDER, Mode::empty())
            .map_err(|source| fault(source, "cannot open the directory", path.display()))?;
        Ok(Arc::new(Self { fd, path, owner: None }))
    }

    /// A directory that somebody else opened, what it is called in errors, and the user and group to
    /// whom all is given that is made in it.
    #[cfg(all(feature = "native", target_os = "linux"))]
    pub(crate) fn opened(fd: OwnedFd, path: PathBuf, owner: Option<u32>) -> Arc<Self> {
        Arc::new(Self { fd, path, owner })
    }

    fn give_away(&self, made: &OwnedFd) -> rustix::io::Result<()> {
        let Some(id) = self.owner else { return Ok(()) };
        rustix::fs::fchown(made, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)))
    }

    pub(super) const fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Opens a folder; `""` is the directory itself.
    pub(super) fn folder(&self, path: &str) -> rustix::io::Result<OwnedFd> {
        let path = if path.is_empty() { "." } else { path };
        self.resolve(path, FOLDER, Mode::empty())
    }

    /// Opens a regular file for reading.
    pub(super) fn file(&self, path: &RelPath) -> rustix::io::Result<File> {
        // Without NONBLOCK a pipe that took the file's place would block for ever.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = self.resolve(path.as_str(), flags, Mode::empty())?;
        let stat = rustix::fs::fstat(&fd)?;
        if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
            Ok(fd.into())
        } else {
            Err(Errno::ISDIR)
        }
    }

    /// The target of a symbolic link.
    pub(super) fn link(&self, path: &RelPath) -> rustix::io::Result<Vec<u8>> {
        let (folder, name) = split(path.as_str());
        let folder = self.folder(folder)?;
        rustix::fs::readlinkat(&folder, name, Vec::new()).map(std::ffi::CString::into_bytes)
    }

    fn resolve(&self, path: &str, flags: OFlags, mode: Mode) -> rustix::io::Result<OwnedFd> {
        for _ in 0..TRIES {
            match rustix::fs::openat2(&self.fd, path, flags, mode, RESOLVE) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                answer => return answer,
            }
        }
        Err(Errno::AGAIN)
    }

    /// Makes a folder and those above it.
    pub(crate) fn make_folder(&self, path: &str) -> rustix::io::Result<OwnedFd> {
        match self.folder(path) {
            Err(Errno::NOENT) => {}
            answer => return answer,
        }
        let mut folder = self.folder("")?;
        for name in path.split('/') {
            let made = match rustix::fs::mkdirat(&folder, name, MODE_OF_FOLDERS) {
                Ok(()) => true,
                Err(Errno::EXIST) => false,
                Err(error) => return Err(error),
            };
            folder = rustix::fs::openat(&folder, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
            if made {
                // The mode at creation is cut by the process's umask.
                rustix::fs::fchmod(&folder, MODE_OF_FOLDERS)?;
                self.give_away(&folder)?;
            }
        }
        Ok(folder)
    }
}

/// The parent folder and the name in it.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// Writes new entries beneath a directory; nothing that exists is overwritten or followed.
#[derive(Debug)]
pub(crate) struct TreeWriter {
    root: Arc<Beneath>,
    /// The folder of the last entry: entries come in path order, so it is mostly the next one's.
    folder: Option<(String, OwnedFd)>,
}

impl TreeWriter {
    pub(crate) const fn new(root: Arc<Beneath>) -> Self {
        Self { root, folder: None }
    }

    /// Creates a file that does not exist yet.
    pub(crate) fn file(&mut self, path: &RelPath, executable: bool) -> io::Result<File> {
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
        let (folder, name) = self.enter(path)?;
        let fd = rustix::fs::openat(folder, name, flags, mode)?;
        // The mode at creation is cut by the process's umask.
        rustix::fs::fchmod(&fd, mode)?;
        self.root.give_away(&fd)?;
        Ok(fd.into())
    }

    /// Creates a symbolic link that does not exist yet.
    pub(crate) fn link(&mut self, path: &RelPath, target: &[u8]) -> io::Result<()> {
        let owner = self.root.owner;
        let (folder, name) = self.enter(path)?;
        rustix::fs::symlinkat(target, folder, name)?;
        if let Some(id) = owner {
            let owner = (Some(Uid::from_raw(id)), Some(Gid::from_raw(id)));
            rustix::fs::chownat(folder, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    fn enter<'p>(&mut self, path: &'p RelPath) -> io::Result<(&OwnedFd, &'p str)> {
        let (folder, name) = split(path.as_str());
        let fd = match self.folder.take() {
            Some((open, fd)) if open == folder => fd,
            _ => self.root.make_folder(folder)?,
        };
        let (_, fd) = self.folder.insert((folder.to_owned(), fd));
        Ok((fd, name))
    }
}
