//! The directory of a cgroup, and its small files.

use std::{
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{Mode, OFlags};

/// Where cgroups can be made. It stays open, so that what is in them is reached in two steps, however
/// deep below the mount it lies: a command's files are opened twenty times.
#[derive(Clone, Debug)]
pub(super) struct Parent {
    path: PathBuf,
    opened: Arc<OwnedFd>,
}

impl Parent {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = Arc::new(rustix::fs::open(&path, flags, Mode::empty())?);
        Ok(Self { path, opened })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a directory in it, unless it is there: one serves all controllers of version 2.
    pub(super) fn make(&self, name: &str) -> io::Result<Directory> {
        let path = self.path.join(name);
        match fs::create_dir(&path) {
            Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => Err(cause),
            _ => Ok(Directory { above: self.clone(), name: name.to_owned() }),
        }
    }
}

/// A cgroup's directory.
#[derive(Clone, Debug)]
pub(super) struct Directory {
    above: Parent,
    name: String,
}

impl Directory {
    pub(super) fn path(&self) -> PathBuf {
        self.above.path.join(&self.name)
    }

    pub(super) fn open(&self, file: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let path = format!("{}/{file}", self.name);
        let above = self.above.opened.as_fd();
        Ok(rustix::fs::openat(above, path, flags | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// The start of a file, which is all of every file that is read here.
    pub(super) fn read(&self, file: &str) -> io::Result<String> {
        let file = self.open(file, OFlags::RDONLY)?;
        let mut text = [0; 4096];
        let length = rustix::io::retry_on_intr(|| rustix::io::read(&file, &mut text))?;
        Ok(String::from_utf8_lossy(&text[..length]).into_owned())
    }

    pub(super) fn write(&self, file: &str, text: &str) -> io::Result<()> {
        let file = self.open(file, OFlags::WRONLY)?;
        rustix::io::retry_on_intr(|| rustix::io::write(&file, text.as_bytes()))?;
        Ok(())
    }

    pub(super) fn number(&self, file: &str) -> Option<u64> {
        self.read(file).ok()?.trim().parse().ok()
    }

    /// The number beside a word.
    pub(super) fn counter(&self, file: &str, key: &str) -> u64 {
        let text = self.read(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
    }
}

/// Whether a file of that name was there to be opened.
pub(super) fn if_there<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}
