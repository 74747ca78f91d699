//! Directories that vanish: with their last handle, or after a crash at the next start.
//!
//! Under one root each process has a directory `PID-STARTTIME-N` and holds an exclusive lock on
//! the file `lock` in it. The kernel drops the lock with the process however it dies, so at start
//! every directory whose lock can be taken is a leftover. That also holds for processes in other
//! containers, whose pids say nothing here.

use std::{
    fs::{DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use matrix_architect_core::error::Result;
use rustix::fs::{FlockOperation, flock};

use super::{fault::fault, removal::remove_tree};

/// Makes names unique among the scratch spaces of this process.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// This process's space for directories that vanish.
///
/// ```
/// use matrix_architect_sandbox::workspace::Scratch;
///
/// let root = tempfile::tempdir().unwrap();
/// let scratch = Scratch::open(root.path())?;
/// let directory = scratch.directory()?;
/// let path = directory.path().to_owned();
/// assert!(path.is_dir());
/// drop(directory);
/// assert!(!path.exists());
/// # Ok::<(), matrix_architect_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    made: AtomicU64,
    /// Held open for its lock.
    _lock: File,
}

impl Scratch {
    /// Takes a space under `root`, which is made (mode 0700) if it is absent, and removes what dead
    /// processes left there.
    ///
    /// # Errors
    /// `Denied` or `Unavailable` if the root cannot be written.
    pub fn open(root: impl AsRef<Path>) -> Result<Arc<Self>> {
        let root = root.as_ref();
        let failed = |source| fault(source, "cannot use the scratch directory", root.display());
        let root = private_root(root).map_err(failed)?;
        // Held from the sweep until our own lock is taken, so that no other process takes our
        // half-made space for a leftover.
        let gate = lock_file(&root.join(".lock")).map_err(failed)?;
        flock(&gate, FlockOperation::LockExclusive).map_err(|e| failed(e.into()))?;
        sweep(&root).map_err(failed)?;
        let name = format!(
            "{}-{}-{}",
            std::process::id(),
            start_time(),
            OPENED.fetch_add(1, Ordering::Relaxed)
        );
        let path = root.join(name);
        DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let lock = lock_file(&path.join("lock")).map_err(failed)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|e| failed(e.into()))?;
        Ok(Arc::new(Self { path, made: AtomicU64::new(0), _lock: lock }))
    }

    /// A new empty directory, removed with all it holds when the handle is dropped.
    ///
    /// # Errors
    /// `Unavailable` if the disk is full.
    pub fn directory(self: &Arc<Self>) -> Result<ScratchDir> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let path = self.path.join(format!("d{number}"));
        DirBuilder::new()
            .mode(0o755)
            .create(&path)
            .map_err(|source| fault(source, "cannot make a scratch directory", path.display()))?;
        Ok(ScratchDir { path, _scratch: Arc::clone(self) })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// A directory that is removed with all it holds when this is dropped.
#[derive(Debug)]
pub struct ScratchDir {
    path: PathBuf,
    /// Keeps the space from being removed before its directories.
    _scratch: Arc<Scratch>,
}

impl ScratchDir {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the directory its final name, in one step and for good on disk.
    #[cfg(feature = "workspace")]
    pub(super) fn publish(mut self) -> io::Result<Self> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push("-tree");
        let path = self.path.with_file_name(name);
        std::fs::rename(&self.path, &path)?;
        self.path = path;
        Ok(self)
    }
}

impl Drop for ScratchDir {
    fn drop(&mut self) {
        // A tree that is half removed must not be found under a whole one's name after a crash.
        let doomed = self.path.with_extension("doomed");
        let renamed = std::fs::rename(&self.path, &doomed).is_ok();
        // Here and not on another thread: what was promised to be gone is gone.
        remove(if renamed { &doomed } else { &self.path });
    }
}

fn remove(path: &Path) {
    match remove_tree(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot remove a scratch directory");
        }
    }
}

fn private_root(root: &Path) -> io::Result<PathBuf> {
    DirBuilder::new().recursive(true).mode(0o700).create(root)?;
    root.canonicalize()
}

fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).write(true).open(path)
}

/// Removes the spaces whose owner is dead.
fn sweep(root: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if !is_space(&entry.file_name().to_string_lossy()) || !entry.file_type()?.is_dir() {
            continue;
        }
        let path = entry.path();
        let orphaned = match File::open(path.join("lock")) {
            Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
            // It died between making the directory and the lock, or while removing both.
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if orphaned {
            tracing::info!(path = %path.display(), "removing what a dead process left");
            remove(&path);
        }
    }
    Ok(())
}

fn is_space(name: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    name.split('-').count() == 3 && name.split('-').all(digits)
}

/// When this process began, in clock ticks since boot (proc(5), field 22 of `stat`); it tells
/// processes with the same pid apart for whoever looks at the directory.
fn start_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The command's name is in parentheses and may hold spaces; 19 fields lie between it and ours.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    after_name.split(' ').nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(0)
}
