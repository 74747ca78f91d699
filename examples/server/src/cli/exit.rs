//! How the command ends.

use std::process::ExitCode;

use matrix_architect_core::{
    error::{Error, ErrorKind},
    job::JobStatus,
};

/// The exit codes of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// It is done.
    Done,
    /// Something outside the change went wrong.
    Error,
    /// The command line or a file given to it is wrong.
    Usage,
    /// The job ended without its effect.
    JobFailed,
    /// The principal may not, or is not known.
    Denied,
    /// Somebody has to agree.
    Waiting,
    /// As the command in the sandbox ended.
    Command(u8),
}

impl Exit {
    /// The code as a number.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Usage => 2,
            Self::JobFailed => 3,
            Self::Denied => 4,
            Self::Waiting => 5,
            Self::Command(code) => code,
        }
    }

    /// How a command ends that met this error.
    pub(super) fn of(error: &Error) -> Self {
        match error.kind() {
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::Denied => Self::Denied,
            _ => Self::Error,
        }
    }

    /// How a command ends whose job came to rest in this status.
    pub(super) const fn at(status: JobStatus) -> Self {
        match status {
            JobStatus::Succeeded => Self::Done,
            JobStatus::WaitingApproval => Self::Waiting,
            JobStatus::Failed | JobStatus::Aborted | JobStatus::NeedsOperator => Self::JobFailed,
            // It was left in the middle, to be resumed.
            _ => Self::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}
