//! From what a session told of a command's end to the word for it.

use std::time::Duration;

use matrix_architect_core::{
    error::Result,
    traits::{ExitVerdict, Limits},
};

use super::{cgroup::Readings, wire::Ended};
use crate::common::{Asked, Seen, Status, judge as judge_seen};

/// Judges what the session told and what the cgroups counted.
pub(crate) fn judge(
    ended: &Ended,
    asked: Option<Asked>,
    readings: Readings,
    limits: &Limits,
) -> Result<ExitVerdict> {
    let seen = Seen {
        status: ended.status.map(status),
        used: Duration::from_micros(ended.user_micros + ended.system_micros),
        oom: readings.oom,
        processes_refused: readings.processes_refused || ended.most_processes > limits.processes,
        disk_full: ended.disk_full,
        memory_exceeded: ended.memory_exceeded,
        cpu_exceeded: ended.cpu_exceeded,
    };
    judge_seen(&seen, asked, limits)
}

const fn status(wait_status: i32) -> Status {
    if libc::WIFSIGNALED(wait_status) {
        Status::Signalled(libc::WTERMSIG(wait_status))
    } else {
        Status::Exited(libc::WEXITSTATUS(wait_status))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT_1: i32 = 1 << 8;

    fn verdict(ended: &Ended, readings: Readings) -> ExitVerdict {
        judge(ended, None, readings, &Limits::default()).unwrap()
    }

    fn ended(status: i32) -> Ended {
        Ended { status: Some(status), ..Ended::default() }
    }

    #[test]
    fn exits_and_signals_are_told_as_they_are() {
        assert_eq!(verdict(&ended(EXIT_1), Readings::default()), ExitVerdict::Exited(1));
        assert_eq!(verdict(&ended(libc::SIGSEGV), Readings::default()), ExitVerdict::Signalled(11));
    }

    #[test]
    fn a_success_stays_one_whatever_was_refused_on_the_way() {
        let readings = Readings { oom: true, processes_refused: true, peak_memory: None };
        let ended = Ended { disk_full: true, ..ended(0) };
        assert_eq!(verdict(&ended, readings), ExitVerdict::Exited(0));
    }

    #[test]
    fn each_bound_has_its_own_verdict() {
        let oom = Readings { oom: true, ..Readings::default() };
        assert_eq!(verdict(&ended(libc::SIGKILL), oom), ExitVerdict::OutOfMemory);
        let pids = Readings { processes_refused: true, ..Readings::default() };
        assert_eq!(verdict(&ended(EXIT_1), pids), ExitVerdict::ProcessesExceeded);
        let most = Limits::default().processes;
        let many = |most_processes| Ended { most_processes, ..ended(EXIT_1) };
        let seen = |many| verdict(&many, Readings::default());
        assert_eq!(seen(many(most)), ExitVerdict::Exited(1), "as many as may be");
        assert_eq!(seen(many(most + 1)), ExitVerdict::ProcessesExceeded);
        let full = Ended { disk_full: true, ..ended(EXIT_1) };
        assert_eq!(verdict(&full, Readings::default()), ExitVerdict::DiskExceeded);
        assert_eq!(verdict(&ended(libc::SIGXCPU), Readings::default()), ExitVerdict::CpuExceeded);
        assert_eq!(verdict(&ended(libc::SIGXFSZ), Readings::default()), ExitVerdict::DiskExceeded);
    }

    #[test]
    fn an_end_that_came_before_our_kill_is_the_commands_own() {
        let limits = Limits::default();
        let late = judge(&ended(0), Some(Asked::Timeout), Readings::default(), &limits).unwrap();
        assert_eq!(late, ExitVerdict::Exited(0));
        let timely =
            judge(&Ended::default(), Some(Asked::Timeout), Readings::default(), &limits).unwrap();
        assert_eq!(timely, ExitVerdict::TimedOut);
        assert!(judge(&Ended::default(), None, Readings::default(), &limits).is_err());
    }
}
