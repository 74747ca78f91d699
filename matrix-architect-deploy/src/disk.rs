//! Writing to disk so that a crash leaves the old or the new, and errors that say what to do.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use matrix_architect_core::error::{Error, ErrorKind, Result};

/// An I/O error as one clear sentence with its remedy.
pub(crate) fn failed(source: io::Error, attempt: &'static str, path: &Path) -> Error {
    use io::ErrorKind as Io;
    let (kind, code, advice) = match source.kind() {
        Io::StorageFull | Io::QuotaExceeded => {
            (ErrorKind::Unavailable, "disk_full", "free some space on that file system and retry")
        }
        Io::PermissionDenied => {
            (ErrorKind::Denied, "permission_denied", "let the worker's user write there")
        }
        Io::ReadOnlyFilesystem => {
            (ErrorKind::Denied, "read_only", "choose a folder on a writable file system")
        }
        Io::NotFound => (ErrorKind::NotFound, "not_found", "check that the path exists"),
        _ => (ErrorKind::Unexpected, "io", "look at the cause and retry"),
    };
    Error::new(kind, attempt)
        .code(code)
        .context("path", path.display())
        .advice(advice)
        .source(source)
}

/// Makes a folder and those above it.
pub(crate) fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|e| failed(e, "the folder could not be made", directory))
}

/// Makes a folder and takes it for this caller alone, until what is returned is dropped or the process
/// ends. For moments only: whoever else wants it waits.
pub(crate) fn lock(directory: &Path) -> Result<File> {
    make(directory)?;
    let locked = File::open(directory).and_then(|folder| {
        rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(folder)
    });
    locked.map_err(|e| failed(e, "the folder could not be locked", directory))
}

/// Makes the names in a folder durable.
pub(crate) fn sync(directory: &Path) -> Result<()> {
    let open = File::open(directory).and_then(|folder| folder.sync_all());
    open.map_err(|e| failed(e, "the folder could not be synced", directory))
}

/// Makes everything on the file system of `directory` durable: one call for a whole tree.
pub(crate) fn sync_all(directory: &Path) -> Result<()> {
    let synced = File::open(directory).and_then(|folder| Ok(rustix::fs::syncfs(folder)?));
    synced.map_err(|e| failed(e, "the file system could not be synced", directory))
}

/// Creates a file that must not exist, with its content durable.
pub(crate) fn create(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()));
    written.map_err(|e| failed(e, "the file could not be written", path))
}

/// Replaces a file: it is the old one or the new one, whenever the power fails.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let staged = beside(path);
    remove(&staged)?;
    let written = create(&staged, content, mode).and_then(|()| {
        fs::rename(&staged, path).map_err(|e| failed(e, "the file could not be replaced", path))
    });
    if written.is_err() {
        remove(&staged)?;
        return written;
    }
    sync(path.parent().unwrap_or(path))
}

/// The name under which a file is written before it takes its own.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.next"))
}

/// Removes a file, a link or a whole folder; nothing there is as good.
pub(crate) fn remove(path: &Path) -> Result<()> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed(error, "it could not be removed", path))
        }
        _ => Ok(()),
    }
}

/// The whole content of a file, or `None` if there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error, "the file could not be read", path)),
    }
}

/// The names in a folder, in order; none if there is no folder.
pub(crate) fn names(directory: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error, "the folder could not be read", directory)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| failed(e, "the folder could not be read", directory))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// Runs blocking work where it blocks nobody.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(broken) => Err(Error::unexpected("work on disk was broken off").source(broken)),
    }
}
