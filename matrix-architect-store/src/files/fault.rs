//! What failed on the file system, and what to do about it.

use std::{
    io::{Error as IoError, ErrorKind as IoKind},
    path::Path,
};

use matrix_architect_core::error::{Error, ErrorKind};

/// An error of the operating system about `path`.
pub(super) fn at(path: &Path, attempt: &'static str, source: IoError) -> Error {
    let (kind, advice) = match source.kind() {
        IoKind::StorageFull | IoKind::QuotaExceeded | IoKind::FileTooLarge => {
            (ErrorKind::Unavailable, "free space on the disk that holds the artifacts, then retry")
        }
        IoKind::ReadOnlyFilesystem => {
            (ErrorKind::Unavailable, "mount the disk that holds the artifacts writable")
        }
        IoKind::PermissionDenied => {
            (ErrorKind::Denied, "let the user that runs this own the artifacts' directory")
        }
        IoKind::NotADirectory | IoKind::AlreadyExists | IoKind::InvalidFilename => {
            (ErrorKind::Invalid, "name a directory that only artifacts are kept in")
        }
        _ => (ErrorKind::Unavailable, "check the disk that holds the artifacts"),
    };
    Error::new(kind, attempt).context("path", path.display()).advice(advice).source(source)
}

/// Content that is not what its name says.
pub(super) fn damaged(path: &Path, how: &'static str) -> Error {
    Error::unexpected("the artifact is damaged")
        .code("damaged_artifact")
        .context("path", path.display())
        .context("found", how)
        .advice("put the same content again, or restore the file from a backup")
}
