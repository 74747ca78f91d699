//! From what was seen of a command's end to the word for it.

use std::time::Duration;

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{ExitVerdict, Limits},
};
use rustix::process::Signal;

/// Why we ended the command, if we did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Cancel,
    Timeout,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Exited(i32),
    Signalled(i32),
}

/// What was seen of a command's end.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each was seen or not, and any may go together")]
pub(crate) struct Seen {
    /// How it ended by itself; `None` if it was ended.
    pub(crate) status: Option<Status>,
    /// CPU time of the tree.
    pub(crate) used: Duration,
    /// The kernel ended processes of it for want of memory.
    pub(crate) oom: bool,
    /// The kernel refused it a process.
    pub(crate) processes_refused: bool,
    /// Next to nothing more could be written.
    pub(crate) disk_full: bool,
    /// We ended it because of its memory.
    pub(crate) memory_exceeded: bool,
    /// We ended it because of its CPU time.
    pub(crate) cpu_exceeded: bool,
}

/// Judges. What we did comes first, then what the kernel counted, then the exit itself: a bound
/// that was crossed is the verdict only if the command did not succeed all the same.
pub(crate) fn judge(seen: &Seen, asked: Option<Asked>, limits: &Limits) -> Result<ExitVerdict> {
    let status = match (seen.status, asked) {
        (None, Some(Asked::Cancel)) => return Ok(ExitVerdict::Cancelled),
        (None, Some(Asked::Timeout)) => return Ok(ExitVerdict::TimedOut),
        (None, None) if seen.cpu_exceeded => return Ok(ExitVerdict::CpuExceeded),
        (None, None) if seen.memory_exceeded || seen.oom => return Ok(ExitVerdict::OutOfMemory),
        (None, None) => {
            return Err(Error::new(ErrorKind::Unavailable, "the command was ended from outside")
                .advice("run it again; somebody or the machine's memory shortage killed it"));
        }
        (Some(Status::Exited(0)), _) => return Ok(ExitVerdict::Exited(0)),
        (Some(status), _) => status,
    };
    let by = |signal: Signal| status == Status::Signalled(signal.as_raw());
    Ok(match status {
        _ if seen.oom => ExitVerdict::OutOfMemory,
        _ if by(Signal::XCPU) => ExitVerdict::CpuExceeded,
        _ if by(Signal::KILL) && seen.used >= limits.cpu => ExitVerdict::CpuExceeded,
        _ if by(Signal::XFSZ) || seen.disk_full => ExitVerdict::DiskExceeded,
        _ if seen.processes_refused => ExitVerdict::ProcessesExceeded,
        Status::Exited(code) => ExitVerdict::Exited(code),
        Status::Signalled(signal) => ExitVerdict::Signalled(signal),
    })
}
