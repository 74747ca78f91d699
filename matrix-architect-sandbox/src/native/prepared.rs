//! What the server has ready for the next command of a session: its cgroups, and a seat in them.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::Arc,
};

use matrix_architect_core::traits::Limits;

use super::{
    cgroup::{Controller, Group},
    sandbox::Shared,
    wire::{Request, Rlimits, SeatRequest},
};

/// The cgroups of a command, whose processes wait in the session or soon will.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) group: Group,
    limits: Limits,
}

/// What makes a session prepare a seat.
#[derive(Debug)]
pub(super) struct Preparation {
    request: Request,
    memberships: Vec<Arc<OwnedFd>>,
}

impl Prepared {
    /// Finds cgroups for a command. Blocks only as long as reading and writing a few small files
    /// takes, if there are some to be used again; otherwise they are made.
    pub(super) fn new(shared: &Shared, limits: &Limits) -> io::Result<(Self, Preparation)> {
        Self::around(shared.group(limits)?, limits)
    }

    /// The same, or `None` if cgroups would have to be made.
    pub(super) fn reusing(
        shared: &Shared,
        limits: &Limits,
    ) -> io::Result<Option<(Self, Preparation)>> {
        shared.hierarchies.reuse(limits).map(|group| Self::around(group, limits)).transpose()
    }

    fn around(group: Group, limits: &Limits) -> io::Result<(Self, Preparation)> {
        let request = Request::Prepare(SeatRequest {
            rlimits: rlimits(limits, &group),
            proving: false,
            counting: group.held(Controller::Pids).is_none(),
        });
        let memberships = group.memberships()?;
        Ok((Self { group, limits: limits.clone() }, Preparation { request, memberships }))
    }

    /// Whether a command with these limits may have it: time and output are not part of it.
    pub(super) fn fits(&self, limits: &Limits) -> bool {
        let part =
            |limits: &Limits| limits.clone().wall(std::time::Duration::ZERO).output(0).disk(0);
        part(&self.limits) == part(limits)
    }
}

impl Preparation {
    /// What to send to the session.
    pub(super) fn message(&self) -> (&Request, Vec<BorrowedFd<'_>>) {
        (&self.request, self.memberships.iter().map(|file| file.as_fd()).collect())
    }
}

/// How many more processes the rlimit allows than the cgroup, so that it is the cgroup that
/// refuses, and counts what it refused.
const PROCESSES_BEYOND: u64 = 16;

/// How many more it allows where it stands alone: who has one more wanted more than may be, while
/// who has as many as may be did nothing wrong.
const PROCESSES_TO_TELL: u64 = 1;

fn rlimits(limits: &Limits, group: &Group) -> Rlimits {
    let processes = u64::from(limits.processes);
    let pids_are_held = group.held(Controller::Pids).is_some();
    let memory_is_held = group.held(Controller::Memory).is_some();
    Rlimits {
        cpu_seconds: limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0),
        file_size: limits.file_size,
        open_files: u64::from(limits.open_files),
        processes: processes + if pids_are_held { PROCESSES_BEYOND } else { PROCESSES_TO_TELL },
        // What one process can take between two looks of the watch.
        data: if memory_is_held { 0 } else { limits.memory.saturating_mul(2) },
    }
}
