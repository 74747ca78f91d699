//! What went wrong on the other side of the socket, in a form that can cross it.

use std::{fmt::Display, io};

use matrix_architect_core::error::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// A step that failed in the helper, a session or a command, before the command's program ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fault {
    /// Which step, in words: "mounting the temporary file system".
    pub(super) step: String,
    /// The system's error number, 0 if it was not the system.
    pub(super) errno: i32,
    /// On what, if it was about something in particular.
    pub(super) subject: String,
}

impl Fault {
    pub(super) fn new(step: impl Into<String>, cause: &io::Error) -> Self {
        let errno = cause.raw_os_error().unwrap_or(0);
        let subject = if errno == 0 { cause.to_string() } else { String::new() };
        Self { step: step.into(), errno, subject }
    }

    pub(super) fn on(mut self, subject: impl Display) -> Self {
        self.subject = format!("{subject}");
        self
    }

    /// The error a caller of the sandbox sees.
    pub(crate) fn into_error(self) -> Error {
        let (kind, advice) = match self.errno {
            libc::ENOSPC | libc::EDQUOT => {
                (ErrorKind::Invalid, "raise the session's disk limit, or make the tree smaller")
            }
            libc::EUSERS => (
                ErrorKind::Unavailable,
                "no more namespaces may be made here: raise the limits of sysctl \
                 user.max_*_namespaces, or end other sessions",
            ),
            libc::EPERM | libc::EACCES | libc::ENOSYS => (
                ErrorKind::Unsupported,
                "run `architect doctor`: it names the layer this machine forbids and the remedy",
            ),
            libc::ENOENT | libc::ENOTDIR | libc::ELOOP => {
                (ErrorKind::NotFound, "check that it exists")
            }
            libc::EAGAIN | libc::ENOMEM | libc::EMFILE | libc::ENFILE => {
                (ErrorKind::Unavailable, "the machine is short of processes, memory or files")
            }
            _ => (ErrorKind::Unexpected, "run `architect doctor`"),
        };
        let mut error = Error::new(kind, format!("{} failed", self.step)).advice(advice);
        if !self.subject.is_empty() {
            error = error.context("subject", &self.subject);
        }
        if self.errno == 0 {
            return error;
        }
        error.source(io::Error::from_raw_os_error(self.errno))
    }
}

/// Names the step that failed.
pub(super) trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, Fault> {
        self.map_err(|cause| Fault::new(step, &cause.into()))
    }
}
