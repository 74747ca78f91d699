//! An errand: a small piece of our own code that handles what strangers wrote, inside the root, as
//! the commands' user, in a process that can be killed like a command.
//!
//! No cgroup bounds it, so it has bounds of its own, and it holds nothing but its archive and the
//! pipe for its answer. Like a command's, its process can exist and be confined before there is
//! anything to do.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::process::{Resource, Rlimit};
use serde::{Deserialize, Serialize};

use super::{
    collect, command,
    confinement::Confinement,
    fault::{Fault, Step as _},
    supervise::{self, Kind, Watched},
    sys, unpack,
    wire::{self, CollectRequest, Reply},
};

/// Private memory; far more than the names of as many files as are ever asked for.
const MEMORY: u64 = 512 << 20;

/// CPU time in seconds; far more than moving all a session can hold.
const CPU: u64 = 600;

/// What there is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Errand {
    Unpack,
    Collect(CollectRequest),
}

/// A process that waits for an errand.
#[derive(Debug)]
pub(super) struct Porter {
    child: sys::Child,
    report: OwnedFd,
    socket: OwnedFd,
}

impl Porter {
    /// Starts the process; it makes itself ready beside the caller.
    pub(super) fn prepare(confinement: &Confinement) -> Result<Self, Fault> {
        let (report, answer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .step("opening a pipe for the report")?;
        let (socket, theirs) = wire::pair().step("opening a socket to the process")?;
        match sys::clone(0).step("starting a process")? {
            sys::Side::Child => main(confinement, theirs, &answer),
            sys::Side::Parent(child) => Ok(Self { child, report, socket }),
        }
    }

    /// Sends it off with the archive to read or write.
    pub(super) fn send(self, errand: &Errand, archive: &OwnedFd) -> Watched {
        let sent = wire::send(self.socket.as_fd(), errand, &[archive.as_fd()]);
        let watched = Watched::new(self.child, Kind::Errand, self.report);
        if sent.is_err() {
            // Told like any that ended before it was done.
            watched.kill();
        }
        watched
    }
}

/// Waits for the errand, does it and says how it went.
fn main(confinement: &Confinement, socket: OwnedFd, answer: &OwnedFd) -> ! {
    let ready = bound().and_then(|()| confinement.restrict()).and_then(|()| {
        sys::close_all_but(&[socket.as_fd(), answer.as_fd()]);
        wire::receive::<Errand>(socket.as_fd()).step("receiving an errand")
    });
    // With what strangers wrote it is alone.
    drop(socket);
    let reply = match ready {
        // Nobody waits any more.
        Ok(None) => sys::exit(0),
        Ok(Some((errand, mut archive))) => match (errand, archive.pop()) {
            (Errand::Unpack, Some(archive)) => unpack::main(archive),
            (Errand::Collect(what), Some(archive)) => collect::main(&what, archive),
            (_, None) => {
                let lost = rustix::io::Errno::BADMSG.into();
                Reply::Failed(Fault::new("receiving an errand", &lost))
            }
        },
        Err(fault) => Reply::Failed(fault),
    };
    let _ = supervise::report(answer, &reply);
    sys::exit(0)
}

fn bound() -> Result<(), Fault> {
    command::limit(Resource::Core, 0)?;
    command::limit_to(Resource::Data, MEMORY)?;
    command::limit_to(Resource::Cpu, CPU)?;
    // Each level of folders takes one, whatever few the server has for itself.
    let most = rustix::process::getrlimit(Resource::Nofile).maximum;
    command::set(Resource::Nofile, Rlimit { current: most, maximum: most })
}
