//! By which name a session's cgroups tell whose they are, also after their owner has died.

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
    /// This process.
    pub(super) fn this() -> Result<Self> {
        let pid = std::process::id();
        started(pid).map(|started| Self { pid, started }).ok_or_else(|| {
            Error::unexpected("this process cannot be found in /proc")
                .advice("mount /proc where the server runs")
        })
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
