//! A seat: everything a command needs but the command. Its processes stand in their namespaces and
//! cgroups, confined for good, and wait to be told what to become. So a command starts as fast as
//! its program does, whatever it took to build what holds it.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use super::{
    confinement::Confinement,
    fault::{Fault, Step as _},
    init,
    supervise::{Kind, Watched},
    sys,
    wire::{self, Program, SeatRequest},
};

/// Two processes that wait for a command: its pid 1 and itself.
#[derive(Debug)]
pub(super) struct Seat {
    child: sys::Child,
    report: OwnedFd,
    /// To the process that becomes the command.
    socket: OwnedFd,
}

/// What the processes of a seat are given.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) confinement: &'a Confinement,
    /// The session's `/proc`, which can be written.
    pub(super) proc: &'a OwnedFd,
    pub(super) request: &'a SeatRequest,
    /// Membership files of the command's cgroups.
    pub(super) cgroups: &'a [OwnedFd],
    /// Where the command comes from.
    pub(super) socket: &'a OwnedFd,
    /// Where its end is told.
    pub(super) answer: &'a OwnedFd,
}

impl Seat {
    /// Starts the processes; they make themselves ready beside the caller.
    pub(super) fn prepare(
        confinement: &Confinement,
        proc: &OwnedFd,
        request: &SeatRequest,
        cgroups: &[OwnedFd],
    ) -> Result<Self, Fault> {
        let (report, answer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .step("opening a pipe for the command's report")?;
        let (ours, theirs) = wire::pair().step("opening a socket to the command")?;
        let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID;
        match sys::clone(flags).step("creating the command's namespaces")? {
            sys::Side::Parent(child) => Ok(Self { child, report, socket: ours }),
            sys::Side::Child => {
                drop((ours, report));
                let socket = &theirs;
                let answer = &answer;
                init::main(&Given { confinement, proc, request, cgroups, socket, answer })
            }
        }
    }

    /// Hands the command over. Processes that failed to become ready say so in their report.
    pub(super) fn start(self, program: &Program, stdio: &[OwnedFd; 3], kind: Kind) -> Watched {
        let stdio: [BorrowedFd<'_>; 3] = [stdio[0].as_fd(), stdio[1].as_fd(), stdio[2].as_fd()];
        let sent = wire::send(self.socket.as_fd(), program, &stdio);
        let watched = Watched::new(self.child, kind, self.report);
        if sent.is_err() {
            watched.kill();
        }
        watched
    }

    /// Gives the seat up.
    pub(super) fn dismiss(self) -> Watched {
        let watched = Watched::new(self.child, Kind::Dismissed, self.report);
        watched.kill();
        watched
    }

    /// The number of its first process in the session.
    pub(super) const fn pid(&self) -> libc::pid_t {
        self.child.pid
    }
}
