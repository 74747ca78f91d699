//! What the engine answers, as errors that name the remedy.

use std::path::Path;

use bollard::errors::Error as EngineError;
use matrix_architect_core::error::{Error, ErrorKind};

/// The error of a call to the engine: what was attempted, and what to do.
pub(super) fn fault(attempted: &'static str, cause: EngineError) -> Error {
    let (kind, advice) = match &cause {
        EngineError::DockerResponseServerError { status_code: 404, .. } => {
            (ErrorKind::NotFound, "it was removed behind our back; try again")
        }
        EngineError::DockerResponseServerError { status_code: 400, .. } => {
            (ErrorKind::Unsupported, "the engine refuses what we ask; run `architect doctor`")
        }
        EngineError::DockerResponseServerError { status_code: 409, .. } => {
            (ErrorKind::Conflict, "somebody else changes our containers; try again")
        }
        EngineError::DockerResponseServerError { .. } => {
            (ErrorKind::Unavailable, "look into the log of the Docker engine")
        }
        EngineError::RequestTimeoutError => {
            (ErrorKind::Unavailable, "the Docker engine is very slow; look at its load and log")
        }
        _ => (ErrorKind::Unavailable, "look whether the Docker engine still runs: docker info"),
    };
    Error::new(kind, attempted).code("docker").advice(advice).source(cause)
}

/// The error of not reaching the engine at all.
pub(super) fn unreachable(socket: &Path, cause: EngineError) -> Error {
    let found = std::os::unix::net::UnixStream::connect(socket).map_err(|cause| cause.kind());
    let (kind, message, advice) = match found {
        Err(std::io::ErrorKind::NotFound) => (
            ErrorKind::Unavailable,
            "there is no Docker engine here",
            "install Docker and start it, or name its socket",
        ),
        Err(std::io::ErrorKind::PermissionDenied) => (
            ErrorKind::Denied,
            "the socket of the Docker engine may not be used",
            "add this user to the group docker and log in again, or run as root",
        ),
        Err(_) => (
            ErrorKind::Unavailable,
            "the Docker engine does not run",
            "start it: systemctl start docker",
        ),
        Ok(_) => (
            ErrorKind::Unavailable,
            "the Docker engine does not answer as one",
            "look into the log of the Docker engine",
        ),
    };
    Error::new(kind, message)
        .code("docker_unreachable")
        .context("socket", socket.display())
        .advice(advice)
        .source(cause)
}

/// Whether the engine says that something is not there.
pub(super) const fn is_absent(cause: &EngineError) -> bool {
    matches!(cause, EngineError::DockerResponseServerError { status_code: 404, .. })
}

/// Whether the engine says that something is in the way, such as a removal that is under way.
pub(super) const fn is_conflict(cause: &EngineError) -> bool {
    matches!(cause, EngineError::DockerResponseServerError { status_code: 409, .. })
}

/// Whether the engine failed at something itself, such as at removing the files of a container to which
/// it was still writing.
pub(super) const fn is_mishap(cause: &EngineError) -> bool {
    matches!(cause, EngineError::DockerResponseServerError { status_code: 500, .. })
}
