//! Which process of this machine something belongs to, also after it has died.

/// A process, told from a later one with the same number by when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its number.
    pub(crate) pid: u32,
    /// Clock ticks since boot: field 22 of `/proc/<pid>/stat`.
    pub(crate) started: u64,
}

impl Process {
    /// A process that runs; `None` if there is no such process, or no `/proc`.
    pub(crate) fn running(pid: u32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before it is in parentheses and may hold anything.
        let started = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(19)?.parse().ok()?;
        Some(Self { pid, started })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(self) -> bool {
        Self::running(self.pid) == Some(self)
    }
}
