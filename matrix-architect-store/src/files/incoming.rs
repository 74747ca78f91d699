//! Writing content, and giving it its name in one step.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{ErrorKind as IoKind, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::{Digest, TenantId},
};
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};
use uuid::Uuid;
use zstd::bulk::Compressor;

use super::{
    blob::Blob,
    fault,
    format::{self, Codec, Record},
    place::{self, Place},
};

/// Fast, and on text about as small as the default level.
const LEVEL: i32 = 1;
/// A chunk is compressed only if one of so many samples of it can be.
const SAMPLES: usize = 4;
/// Bytes of a sample.
const SAMPLE: usize = 16 << 10;
/// So many bytes are written before the disk is asked to begin, so that it works beside the hash.
const EARLY: u64 = 16 << 20;

/// A file that is being written. It is locked as long as its writer lives, and its name in
/// `incoming` goes when it is dropped.
pub(super) struct Incoming<'a> {
    place: &'a Place,
    path: PathBuf,
    file: File,
    records: Vec<Record>,
    size: u64,
    compressor: Compressor<'static>,
    written: u64,
    flush: Option<Flush>,
}

/// A sync on its way, and how much had been written when it began.
type Flush = (JoinHandle<()>, u64);

impl<'a> Incoming<'a> {
    pub(super) fn create(place: &'a Place) -> Result<Self> {
        let compressor = Compressor::new(LEVEL)
            .map_err(|source| Error::unexpected("cannot compress").source(source))?;
        let (path, file) = locked(&place.incoming())?;
        let records = Vec::new();
        Ok(Self { place, path, file, records, size: 0, compressor, written: 0, flush: None })
    }

    /// Writes the chunks that come, and names them once their name is known. Returns their size.
    pub(super) fn take(
        mut self,
        mut chunks: mpsc::Receiver<Bytes>,
        name: oneshot::Receiver<Digest>,
        tenant: &TenantId,
    ) -> Result<u64> {
        while let Some(chunk) = chunks.blocking_recv() {
            self.append(&chunk)?;
        }
        self.finish()?;
        let digest = name.blocking_recv().map_err(|_| abandoned())?;
        self.keep(tenant, digest)
    }

    fn append(&mut self, chunk: &[u8]) -> Result<()> {
        let packed = self.pack(chunk);
        let (codec, stored) = match &packed {
            Some(packed) => (Codec::Zstd, &**packed),
            None => (Codec::Plain, chunk),
        };
        let length = u32::try_from(stored.len())
            .map_err(|source| Error::unexpected("a chunk is too long").source(source))?;
        self.write(stored)?;
        self.records.push(Record { stored: length, codec, checksum: format::checksum(stored) });
        self.size += chunk.len() as u64;
        self.begin_early();
        Ok(())
    }

    /// The chunk in fewer bytes, if some samples say that it is worth trying and it then is.
    fn pack(&mut self, chunk: &[u8]) -> Option<Vec<u8>> {
        let every = (chunk.len() / SAMPLES).max(SAMPLE);
        let mut samples = chunk.chunks(every).map(|part| &part[..part.len().min(SAMPLE)]);
        let promising = samples.any(|sample| self.smaller(sample).is_some());
        if promising { self.smaller(chunk) } else { None }
    }

    /// Less than a sixteenth saved is not worth unpacking.
    fn smaller(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let packed = self.compressor.compress(bytes).ok()?;
        (packed.len() + bytes.len() / 16 < bytes.len()).then_some(packed)
    }

    /// Asks the disk to begin with what is there, unless it is still at it. Through a handle of its
    /// own: the kernel tells a handle of a failed write only once, and the last sync must hear it.
    fn begin_early(&mut self) {
        let (busy, begun) =
            self.flush.as_ref().map_or((false, 0), |(flush, begun)| (!flush.is_finished(), *begun));
        if busy || self.written - begun < EARLY {
            return;
        }
        if let Ok(file) = File::open(&self.path) {
            let flush = tokio::task::spawn_blocking(move || drop(file.sync_data()));
            self.flush = Some((flush, self.written));
        }
    }

    /// Writes the table, after which nothing changes.
    fn finish(&mut self) -> Result<()> {
        self.write(&format::encode(&self.records, self.size))
    }

    /// Makes the content durable, then its name, and returns the content's size.
    fn keep(self, tenant: &TenantId, digest: Digest) -> Result<u64> {
        let name = self.place.blob(tenant, &digest);
        let directory = name.parent().unwrap_or(&name);
        // Before the content's sync, which takes a new directory along on most file systems.
        self.place.make(directory)?;
        self.file
            .sync_all()
            .map_err(|source| fault::at(&self.path, "cannot sync the artifact", source))?;
        self.place.ensure(directory)?;
        match fs::hard_link(&self.path, &name) {
            Ok(()) => {}
            Err(source) if source.kind() == IoKind::AlreadyExists => {
                self.replace_if_damaged(&name, digest)?;
            }
            Err(source) => return Err(fault::at(&name, "cannot name the artifact", source)),
        }
        // Also when it was there: whoever named it may not have lived to sync it.
        place::sync(directory)?;
        Ok(self.size)
    }

    /// Content that was put again is at hand, so damage is healed here rather than reported later.
    fn replace_if_damaged(&self, name: &Path, digest: Digest) -> Result<()> {
        let sound = match Blob::open(name, digest) {
            Ok(Some(blob)) => blob.check(),
            Ok(None) => return self.rename(name),
            Err(error) => Err(error),
        };
        match sound {
            Err(error) if error.code_str() == "damaged_artifact" => {
                tracing::warn!(%digest, "a damaged artifact is replaced");
                self.rename(name)
            }
            other => other,
        }
    }

    fn rename(&self, name: &Path) -> Result<()> {
        fs::rename(&self.path, name)
            .map_err(|source| fault::at(name, "cannot name the artifact", source))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written += bytes.len() as u64;
        self.file
            .write_all(bytes)
            .map_err(|source| fault::at(&self.path, "cannot write the artifact", source))
    }
}

impl Drop for Incoming<'_> {
    fn drop(&mut self) {
        // It may have been renamed; and a leftover is swept when the store is opened again.
        let _ = fs::remove_file(&self.path);
    }
}

/// The digest of the chunks that come.
pub(super) fn hash(mut chunks: mpsc::Receiver<Bytes>) -> Digest {
    let mut hasher = Digest::hasher();
    while let Some(chunk) = chunks.blocking_recv() {
        hasher.update(&chunk);
    }
    hasher.finish()
}

/// Nobody hears this: whoever put the content has gone, or has an error of its own.
fn abandoned() -> Error {
    Error::new(ErrorKind::Cancelled, "the content was not put to its end")
}

/// A new file that this process holds locked.
fn locked(directory: &Path) -> Result<(PathBuf, File)> {
    loop {
        let path = directory.join(Uuid::now_v7().simple().to_string());
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = new.map_err(|source| fault::at(&path, "cannot write the artifact", source))?;
        // Between the two a sweep may have taken it for a dead writer's: then it has it locked or
        // removed, and the next name is tried.
        match file.try_lock() {
            Ok(()) if file.metadata().is_ok_and(|meta| meta.nlink() > 0) => {
                return Ok((path, file));
            }
            Ok(()) | Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(no_locks(&path, source)),
        }
    }
}

/// Removes what dead writers left: whatever nobody holds locked.
pub(super) fn sweep(place: &Place) -> Result<()> {
    for path in place::entries(&place.incoming())? {
        let Ok(file) = File::open(&path) else { continue };
        match file.try_lock() {
            Ok(()) => {
                tracing::info!(path = %path.display(), "a dead writer's file is removed");
                place.remove(&path)?;
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(source)) => return Err(no_locks(&path, source)),
        }
    }
    Ok(())
}

fn no_locks(path: &Path, source: std::io::Error) -> Error {
    fault::at(path, "cannot lock the file", source)
        .advice("keep artifacts on a file system that has locks")
}
