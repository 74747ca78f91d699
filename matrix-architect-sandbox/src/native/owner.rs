//! By which name a command's cgroups tell whose they are, also after their owner has died. The
//! owner is the helper: it dies with the server, and no session outlives it. That is why the job
//! and the fence of a session's specification are no part of the name: whatever a lost lease left
//! running here ends with the process that held it, and another server's is not ours to end.

use matrix_architect_core::error::{Error, Result};

use crate::common::Process;

/// The process that cgroups belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner(Process);

const PREFIX: &str = "architect";

impl Owner {
    /// A process that runs.
    pub(crate) fn new(pid: u32) -> Result<Self> {
        Process::running(pid).map(Self).ok_or_else(|| {
            Error::unexpected("the sandbox helper cannot be found in /proc")
                .advice("mount /proc where the server runs")
        })
    }

    /// Its number.
    pub(super) const fn pid(self) -> u32 {
        self.0.pid
    }

    /// A name for a directory of this owner's.
    pub(crate) fn name(self, number: u64) -> String {
        format!("{PREFIX}.{}.{}.{number}", self.0.pid, self.0.started)
    }

    /// The owner a directory's name tells, if it is one of ours.
    pub(super) fn of(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        if parts.next() != Some(PREFIX) {
            return None;
        }
        let (pid, started) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        parts.next().is_some().then_some(Self(Process { pid, started }))
    }

    /// Whether the process still runs.
    pub(super) fn is_alive(self) -> bool {
        self.0.is_alive()
    }
}
