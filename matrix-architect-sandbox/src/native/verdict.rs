//! From what was seen of a command's end to the word for it.

use std::time::Duration;

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{ExitVerdict, Limits},
};

use super::{cgroup::Readings, wire::Ended};

/// Why we asked the session to end the command, if we did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Cancel,
    Timeout,
}

/// Judges. What we did comes first, then what the kernel counted, then the exit itself: a bound
/// that was crossed is the verdict only if the command did not succeed all the same.
pub(crate) fn judge(
    ended: &Ended,
    asked: Option<Asked>,
    readings: Readings,
    limits: &Limits,
) -> Result<ExitVerdict> {
    let status = match (ended.status, asked) {
        (None, Some(Asked::Cancel)) => return Ok(ExitVerdict::Cancelled),
        (None, Some(Asked::Timeout)) => return Ok(ExitVerdict::TimedOut),
        (None, None) if ended.cpu_exceeded => return Ok(ExitVerdict::CpuExceeded),
        (None, None) if ended.memory_exceeded || readings.oom => {
            return Ok(ExitVerdict::OutOfMemory);
        }
        (None, None) => {
            return Err(Error::new(ErrorKind::Unavailable, "the command was ended from outside")
                .advice("run it again; somebody or the machine's memory shortage killed it"));
        }
        (Some(status), _) => Status::of(status),
    };
    if status == Status::Exited(0) {
        return Ok(ExitVerdict::Exited(0));
    }
    let used = Duration::from_micros(ended.user_micros + ended.system_micros);
    let killed = matches!(status, Status::Signalled(libc::SIGKILL));
    Ok(match status {
        _ if readings.oom => ExitVerdict::OutOfMemory,
        Status::Signalled(libc::SIGXCPU) => ExitVerdict::CpuExceeded,
        _ if killed && used >= limits.cpu => ExitVerdict::CpuExceeded,
        Status::Signalled(libc::SIGXFSZ) => ExitVerdict::DiskExceeded,
        _ if ended.disk_full => ExitVerdict::DiskExceeded,
        _ if readings.processes_refused || ended.most_processes >= limits.processes => {
            ExitVerdict::ProcessesExceeded
        }
        Status::Exited(code) => ExitVerdict::Exited(code),
        Status::Signalled(signal) => ExitVerdict::Signalled(signal),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Exited(i32),
    Signalled(i32),
}

impl Status {
    const fn of(wait_status: i32) -> Self {
        if libc::WIFSIGNALED(wait_status) {
            Self::Signalled(libc::WTERMSIG(wait_status))
        } else {
            Self::Exited(libc::WEXITSTATUS(wait_status))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT_1: i32 = 1 << 8;

    fn verdict(ended: &Ended, readings: Readings) -> ExitVerdict {
        judge(ended, None, readings, &Limits::default()).unwrap()
    }

    fn status(status: i32) -> Ended {
        Ended { status: Some(status), ..Ended::default() }
    }

    #[test]
    fn exits_and_signals_are_told_as_they_are() {
        assert_eq!(verdict(&status(EXIT_1), Readings::default()), ExitVerdict::Exited(1));
        assert_eq!(
            verdict(&status(libc::SIGSEGV), Readings::default()),
            ExitVerdict::Signalled(11)
        );
    }

    #[test]
    fn a_success_stays_one_whatever_was_refused_on_the_way() {
        let readings = Readings { oom: true, processes_refused: true, peak_memory: None };
        let ended = Ended { disk_full: true, ..status(0) };
        assert_eq!(verdict(&ended, readings), ExitVerdict::Exited(0));
    }

    #[test]
    fn each_bound_has_its_own_verdict() {
        let oom = Readings { oom: true, ..Readings::default() };
        assert_eq!(verdict(&status(libc::SIGKILL), oom), ExitVerdict::OutOfMemory);
        let pids = Readings { processes_refused: true, ..Readings::default() };
        assert_eq!(verdict(&status(EXIT_1), pids), ExitVerdict::ProcessesExceeded);
        let full = Ended { disk_full: true, ..status(EXIT_1) };
        assert_eq!(verdict(&full, Readings::default()), ExitVerdict::DiskExceeded);
        assert_eq!(verdict(&status(libc::SIGXCPU), Readings::default()), ExitVerdict::CpuExceeded);
        assert_eq!(verdict(&status(libc::SIGXFSZ), Readings::default()), ExitVerdict::DiskExceeded);
    }

    #[test]
    fn an_end_that_came_before_our_kill_is_the_commands_own() {
        let limits = Limits::default();
        let late = judge(&status(0), Some(Asked::Timeout), Readings::default(), &limits).unwrap();
        assert_eq!(late, ExitVerdict::Exited(0));
        let timely =
            judge(&Ended::default(), Some(Asked::Timeout), Readings::default(), &limits).unwrap();
        assert_eq!(timely, ExitVerdict::TimedOut);
        assert!(judge(&Ended::default(), None, Readings::default(), &limits).is_err());
    }
}
