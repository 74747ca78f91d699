//! The directory of a cgroup, and its small files.

use std::{
    collections::BTreeMap,
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use rustix::fs::{Mode, OFlags};

/// How many files of cgroups a sandbox keeps open at most: those of ten commands or so. What finds no room
/// is opened each time.
const KEPT: usize = 128;

/// Where cgroups can be made. It stays open, so that what is in them is reached in two steps, however
/// deep below the mount it lies.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    path: PathBuf,
    opened: Arc<OwnedFd>,
    /// How many files are kept open here and at the places that share the count.
    kept: Arc<AtomicUsize>,
}

impl Parent {
    pub(super) fn open(path: PathBuf, kept: &Arc<AtomicUsize>) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = Arc::new(rustix::fs::open(&path, flags, Mode::empty())?);
        Ok(Self { path, opened, kept: Arc::clone(kept) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it, unless it is there: one serves all controllers of version 2.
    pub(super) fn make(&self, name: &str) -> io::Result<Directory> {
        let path = self.path.join(name);
        match fs::create_dir(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
            _ => Ok(Directory {
                above: self.clone(),
                name: name.to_owned(),
                files: Mutex::default(),
            }),
        }
    }
}

/// A cgroup's directory. Each of its files is opened once for reading and once for writing: a command's
/// are used twenty times, and a cgroup goes from command to command.
#[derive(Debug)]
pub(super) struct Directory {
    above: Parent,
    name: String,
    files: Mutex<BTreeMap<(&'static str, Use), Arc<OwnedFd>>>,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Use {
    Reading,
    Writing,
}

impl Directory {
    pub(super) fn path(&self) -> PathBuf {
        self.above.path.join(&self.name)
    }

    /// A file, to be read and written from its start only: others may have the same one.
    pub(super) fn open(&self, file: &'static str, to: Use) -> io::Result<Arc<OwnedFd>> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = files.get(&(file, to)) {
            return Ok(Arc::clone(opened));
        }
        let opened = Arc::new(self.open_anew(file, to)?);
        if self.above.kept.fetch_add(1, Ordering::Relaxed) < KEPT {
            files.insert((file, to), Arc::clone(&opened));
        } else {
            self.above.kept.fetch_sub(1, Ordering::Relaxed);
        }
        Ok(opened)
    }

    fn open_anew(&self, file: &'static str, to: Use) -> io::Result<OwnedFd> {
        let flags = match to {
            Use::Reading => OFlags::RDONLY,
            Use::Writing => OFlags::WRONLY,
        };
        let (above, path) = (self.above.opened.as_fd(), format!("{}/{file}", self.name));
        Ok(rustix::fs::openat(above, path, flags | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Whether nobody is in it. Version 1 answers who reads the list again with that of before
    /// (`cgroup_pidlist_start` of Linux), so it is opened each time.
    pub(super) fn is_deserted(&self) -> bool {
        let list = self.open_anew("cgroup.procs", Use::Reading);
        list.is_ok_and(|list| rustix::io::pread(&list, &mut [0; 8], 0) == Ok(0))
    }

    /// The start of a file, which is all of every file that is read here.
    pub(super) fn read(&self, file: &'static str) -> io::Result<String> {
        let file = self.open(file, Use::Reading)?;
        let mut text = [0; 4096];
        let length = rustix::io::retry_on_intr(|| rustix::io::pread(&*file, &mut text, 0))?;
        Ok(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    pub(super) fn write(&self, file: &'static str, text: &str) -> io::Result<()> {
        let file = self.open(file, Use::Writing)?;
        rustix::io::retry_on_intr(|| rustix::io::pwrite(&*file, text.as_bytes(), 0))?;
        Ok(())
    }

    pub(super) fn number(&self, file: &'static str) -> Option<u64> {
        self.read(file).ok()?.trim().parse().ok()
    }

    /// The number beside a word.
    pub(super) fn counter(&self, file: &'static str, key: &str) -> u64 {
        let text = self.read(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let files = self.files.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.above.kept.fetch_sub(files.len(), Ordering::Relaxed);
    }
}

/// Whether a file of that name was there to be opened.
pub(super) fn if_there<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}

#[cfg(test)]
mod tests;
