//! By which name a command's cgroups tell whose they are, also after their owner has died. The
//! owner is the helper: it dies with the server, and no session outlives it.

use matrix_architect_core::error::{Error, Result};

/// A process, told from a later one with the same number by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    /// Clock ticks since boot: field 22 of `/proc/<pid>/stat`.
    started: u64,
}

const PREFIX: &str = "architect";

impl Owner {
    /// A process that runs.
    pub(super) fn new(pid: u32) -> Result<Self> {
        started(pid).map(|started| Self { pid, started }).ok_or_else(|| {
            Error::unexpected("the sandbox helper cannot be found in /proc")
                .advice("mount /proc where the server runs")
        })
    }

    /// Its number.
    pub(super) const fn pid(self) -> u32 {
        self.pid
    }

    /// A name for a directory of this owner's.
    pub(super) fn name(self, number: u64) -> String {
        format!("{PREFIX}.{}.{}.{number}", self.pid, self.started)
    }

    /// The owner a directory's name tells, if it is one of ours.
    pub(super) fn of(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        if parts.next() != Some(PREFIX) {
            return None;
        }
        let owner = Self { pid: parts.next()?.parse().ok()?, started: parts.next()?.parse().ok()? };
        parts.next().is_some().then_some(owner)
    }

    /// Whether the process still runs.
    pub(super) fn is_alive(self) -> bool {
        started(self.pid) == Some(self.started)
    }
}

fn started(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in parentheses and may hold anything.
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()
}
