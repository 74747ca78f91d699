//! Fetched dependencies, sealed: named by tenant, lock file and toolchain, whole or not there,
//! read-only, and looked at again before every use.
//!
//! ```text
//! CACHE/sealed/KEY/content     what was fetched
//! CACHE/sealed/KEY/seal.json   its digest, and what it was fetched for
//! CACHE/locks/KEY              held by who fetches, shared by who uses; when it was last used
//! CACHE/incoming               what is not sealed yet
//! ```

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt as _;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::Digest,
    time::Timestamp,
    traits::{Cancel, Tree as _},
};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{
    super::room::cancelled,
    config::PrepareConfig,
    demand::{Demand, OUT},
};
use crate::workspace::{DirTree, Scratch};

/// How often a lock that somebody else holds is tried.
const PAUSE: Duration = Duration::from_millis(100);

/// Where fetched dependencies are kept.
#[derive(Debug)]
pub(super) struct Cache {
    root: PathBuf,
    pub(super) incoming: Arc<Scratch>,
    max_bytes: u64,
    max_age: Duration,
}

/// What was fetched, as it is written beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Seal {
    /// Of the content, as its tree is packed.
    pub(super) content: Digest,
    pub(super) bytes: u64,
    pub(super) ecosystem: String,
    pub(super) lock: Digest,
    pub(super) toolchain: String,
    pub(super) fetched_at: Timestamp,
}

/// Dependencies that can be used as long as this is held.
#[derive(Debug)]
pub(super) struct Sealed {
    content: PathBuf,
    pub(super) seal: Seal,
    /// Held against being pruned; none for what goes with the job.
    _lock: Option<File>,
    _own: Option<DirTree>,
}

impl Sealed {
    pub(super) fn content(&self) -> &Path {
        &self.content
    }
}

/// A name that is ours until we let go of it.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    cache: &'a Cache,
    key: String,
    lock: File,
    /// Nobody else holds a share: the entry may be removed or exchanged.
    is_ours: bool,
}

impl Cache {
    pub(super) fn open(config: &PrepareConfig) -> Result<Self> {
        let root = config.cache.clone();
        if !root.is_absolute() {
            return Err(Error::invalid("the directory of fetched dependencies is not absolute")
                .context("cache", root.display()));
        }
        for folder in ["sealed", "locks"] {
            fs::create_dir_all(root.join(folder)).map_err(|cause| failed(&root, cause))?;
        }
        let incoming = Scratch::open(root.join("incoming"))?;
        Ok(Self { root, incoming, max_bytes: config.max_bytes, max_age: config.max_age })
    }

    /// Takes a name, waiting until nobody else fetches under it.
    pub(super) async fn enter(&self, key: String, cancel: &Cancel) -> Result<Entry<'_>> {
        let path = self.root.join("locks").join(&key);
        let lock = open_lock(&path).map_err(|cause| failed(&path, cause))?;
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Entry { cache: self, key, lock, is_ours: true }),
                Err(rustix::io::Errno::WOULDBLOCK) if cancel.is_cancelled() => {
                    return Err(cancelled());
                }
                // Whoever uses the entry holds a share: it is sealed, and we can share it, too.
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let shared = flock(&lock, FlockOperation::NonBlockingLockShared).is_ok();
                    if shared && self.root.join("sealed").join(&key).exists() {
                        return Ok(Entry { cache: self, key, lock, is_ours: false });
                    }
                    let _ = flock(&lock, FlockOperation::Unlock);
                    tokio::time::sleep(PAUSE).await;
                }
                Err(cause) => return Err(failed(&path, cause.into())),
            }
        }
    }

    /// Keeps what was fetched for this job alone.
    pub(super) async fn keep(&self, tree: DirTree, seal: SealFor<'_>) -> Result<Sealed> {
        let fetched = tree.local().unwrap_or(Path::new("")).join(OUT);
        let seal = seal.over(&fetched).await?;
        Ok(Sealed { content: fetched, seal, _lock: None, _own: Some(tree) })
    }

    /// Removes what nobody has used for long, and the longest unused as long as there is too much.
    pub(super) fn prune(&self, now: Timestamp) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(self.root.join("sealed"))? {
            let path = entry?.path();
            let Some(key) = path.file_name().and_then(|name| name.to_str()) else { continue };
            let used = last_used(&self.root.join("locks").join(key));
            let bytes = read_seal(&path).map_or(0, |seal| seal.bytes);
            kept.push((used, bytes, key.to_owned()));
        }
        kept.sort();
        let mut total: u64 = kept.iter().map(|(_, bytes, _)| bytes).sum();
        for (used, bytes, key) in kept {
            if now.since(used) < self.max_age && total <= self.max_bytes {
                break;
            }
            if self.remove(&key, used)? {
                total = total.saturating_sub(bytes);
            }
        }
        Ok(())
    }

    /// Removes an entry unless somebody uses it, or did since it was looked at: who turns its lock
    /// into a share holds none for a moment.
    fn remove(&self, key: &str, used: Timestamp) -> io::Result<bool> {
        let path = self.root.join("locks").join(key);
        let lock = open_lock(&path)?;
        let is_free = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        if !is_free || last_used(&path) != used {
            return Ok(false);
        }
        remove(&self.root.join("sealed").join(key))?;
        Ok(true)
    }
}

/// What a seal says beside the content's digest.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealFor<'a> {
    pub(super) demand: &'a Demand,
    pub(super) toolchain: &'a str,
    pub(super) at: Timestamp,
}

impl SealFor<'_> {
    async fn over(self, content: &Path) -> Result<Seal> {
        if !content.exists() {
            fs::create_dir(content).map_err(|cause| failed(content, cause))?;
        }
        let (digest, bytes) = digest(content).await?;
        Ok(Seal {
            content: digest,
            bytes,
            ecosystem: self.demand.ecosystem.to_owned(),
            lock: self.demand.lock,
            toolchain: self.toolchain.to_owned(),
            fetched_at: self.at,
        })
    }
}

impl Entry<'_> {
    fn path(&self) -> PathBuf {
        self.cache.root.join("sealed").join(&self.key)
    }

    /// What is sealed under the name, if it is still what was sealed. What is not is removed as soon
    /// as nobody uses it.
    pub(super) async fn open(mut self, now: Timestamp) -> Result<Result<Sealed, Self>> {
        let path = self.path();
        let Some(seal) = read_seal(&path) else {
            self.claim();
            return Ok(Err(self));
        };
        match digest(&path.join("content")).await {
            Ok((found, _)) if found == seal.content => return self.share(seal, now),
            _ => {
                tracing::warn!(entry = %self.key, "fetched dependencies were changed and are fetched again");
            }
        }
        if self.claim() {
            remove(&path).map_err(|cause| failed(&path, cause))?;
        }
        Ok(Err(self))
    }

    /// Whether nobody else uses the entry from now on.
    fn claim(&mut self) -> bool {
        // What is refused costs us our share, too: the entry is not touched any more then.
        self.is_ours =
            self.is_ours || flock(&self.lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        self.is_ours
    }

    /// Seals what was fetched: on disk for good, read-only, and then under its name in one step. Where
    /// others use what is there, what was fetched goes with the job.
    pub(super) async fn seal(self, tree: DirTree, seal: SealFor<'_>) -> Result<Sealed> {
        if !self.is_ours {
            return self.cache.keep(tree, seal).await;
        }
        let path = self.path();
        let fetched = tree.local().unwrap_or(Path::new("")).join(OUT);
        let at = seal.at;
        let seal = seal.over(&fetched).await?;
        let room = self.cache.incoming.directory()?;
        let broken = |cause| failed(&path, cause);
        let text = serde_json::to_vec_pretty(&seal)
            .map_err(|cause| Error::unexpected("a seal could not be written").source(cause))?;
        let (whole, moved) = (room.path().join("entry"), path.clone());
        let publish = move || {
            fs::create_dir(&whole)?;
            protect(&fetched, 0o555, 0o444)?;
            // The folder itself is moved, which changes its link to the one above.
            fs::set_permissions(&fetched, Permissions::from_mode(0o755))?;
            fs::rename(&fetched, whole.join("content"))?;
            fs::set_permissions(whole.join("content"), Permissions::from_mode(0o555))?;
            fs::write(whole.join("seal.json"), text)?;
            rustix::fs::syncfs(File::open(&whole)?)?;
            if moved.exists() {
                remove(&moved)?;
            }
            fs::rename(&whole, &moved)?;
            File::open(moved.parent().unwrap_or(Path::new("/")))?.sync_all()
        };
        let published = tokio::task::spawn_blocking(publish).await;
        published
            .map_err(|cause| Error::unexpected("sealing did not end").source(cause))?
            .map_err(broken)?;
        drop((tree, room));
        self.share(seal, at)?.map_err(|entry| {
            failed(&path, io::Error::other(format!("{} was removed by another process", entry.key)))
        })
    }

    /// Lets others use the entry, too; the entry again if it was removed meanwhile.
    fn share(mut self, seal: Seal, now: Timestamp) -> Result<Result<Sealed, Self>> {
        let path = self.path();
        let content = path.join("content");
        let broken = |cause: io::Error| failed(&content, cause);
        mark_used(&self.lock, now).map_err(broken)?;
        flock(&self.lock, FlockOperation::LockShared).map_err(|cause| broken(cause.into()))?;
        // A lock is turned into a share by letting go of it first.
        let is_there = read_seal(&path).is_some_and(|found| found.content == seal.content);
        if is_there && content.is_dir() {
            return Ok(Ok(Sealed { content, seal, _lock: Some(self.lock), _own: None }));
        }
        self.is_ours = false;
        self.claim();
        Ok(Err(self))
    }
}

/// The digest of a folder as a packed tree, and its bytes.
async fn digest(folder: &Path) -> Result<(Digest, u64)> {
    let tree = DirTree::open(folder)?;
    let mut hasher = Digest::hasher();
    let mut bytes = 0;
    let mut packed = tree.pack().await?;
    while let Some(piece) = packed.next().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        hasher.update(&piece);
    }
    Ok((hasher.finish(), bytes))
}

fn read_seal(entry: &Path) -> Option<Seal> {
    serde_json::from_slice(&fs::read(entry.join("seal.json")).ok()?).ok()
}

fn open_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path)
}

fn mark_used(mut lock: &File, now: Timestamp) -> io::Result<()> {
    lock.set_len(0)?;
    io::Seek::rewind(&mut lock)?;
    write!(lock, "{}", now.as_micros())
}

/// When an entry was last used; long ago if nobody knows.
fn last_used(lock: &Path) -> Timestamp {
    let mut text = String::new();
    let read = File::open(lock).and_then(|mut file| file.read_to_string(&mut text));
    Timestamp::from_micros(read.ok().and_then(|_| text.trim().parse().ok()).unwrap_or(0))
}

/// Sets the permissions of everything below a folder and of the folder itself.
fn protect(folder: &Path, folders: u32, files: u32) -> io::Result<()> {
    // A folder must be open to be gone through.
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            protect(&entry.path(), folders, files)?;
        } else if kind.is_file() {
            let executable = entry.metadata()?.permissions().mode() & 0o111;
            fs::set_permissions(entry.path(), Permissions::from_mode(files | executable))?;
        }
    }
    fs::set_permissions(folder, Permissions::from_mode(folders))
}

/// Removes a sealed entry.
fn remove(entry: &Path) -> io::Result<()> {
    let content = entry.join("content");
    if content.exists() {
        protect(&content, 0o755, 0o644)?;
    }
    match fs::remove_dir_all(entry) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}

fn failed(path: &Path, cause: io::Error) -> Error {
    let kind = match cause.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        _ => ErrorKind::Unavailable,
    };
    Error::new(kind, "fetched dependencies cannot be kept")
        .context("path", path.display())
        .advice("look at the free space and the permissions there")
        .source(cause)
}

#[cfg(test)]
mod tests;
