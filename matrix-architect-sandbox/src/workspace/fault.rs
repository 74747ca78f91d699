//! Turns what the file system answers into errors that name the path and the remedy.

use std::{fmt::Display, io};

use matrix_architect_core::{Error, ErrorKind};

/// The error of a system call: what was attempted, on what, and what to do.
pub(super) fn fault(
    source: impl Into<io::Error>,
    attempted: &'static str,
    path: impl Display,
) -> Error {
    let source = source.into();
    let (kind, advice) = remedy(source.kind());
    let error = Error::new(kind, attempted).context("path", path);
    let error = if advice.is_empty() { error } else { error.advice(advice) };
    error.source(source)
}

fn remedy(kind: io::ErrorKind) -> (ErrorKind, &'static str) {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            (ErrorKind::Unavailable, "free some space on that file system")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            (ErrorKind::Denied, "give this process access to that path")
        }
        io::ErrorKind::NotFound => (ErrorKind::NotFound, ""),
        io::ErrorKind::Unsupported => {
            (ErrorKind::Unsupported, "use Linux 5.6 or newer, which has openat2")
        }
        _ => (ErrorKind::Unexpected, ""),
    }
}

/// Input that a safety rule forbids, named by its path.
pub(super) fn unsafe_path(message: &'static str, path: impl Display) -> Error {
    Error::new(ErrorKind::Denied, message).code("unsafe_path").context("path", path)
}
