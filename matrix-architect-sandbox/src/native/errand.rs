//! An errand: a small piece of our own code that handles what strangers wrote, inside the root, as
//! the commands' user, in a process that can be killed like a command.
//!
//! No cgroup bounds it, so it has bounds of its own, and it holds nothing but its archive and the
//! pipe for its answer.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::process::{Resource, Rlimit};

use super::{
    collect, command,
    confinement::Confinement,
    fault::{Fault, Step as _},
    supervise::{self, Kind, Watched},
    sys,
    wire::{CollectRequest, Reply},
};

/// Private memory; far more than the names of as many files as are ever asked for.
const MEMORY: u64 = 512 << 20;

/// CPU time in seconds; far more than moving all a session can hold.
const CPU: u64 = 600;

/// Has a process write an archive.
pub(super) fn start(
    confinement: &Confinement,
    what: &CollectRequest,
    archive: OwnedFd,
) -> Result<Watched, Fault> {
    let (report, answer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .step("opening a pipe for the report")?;
    match sys::clone(0).step("starting a process")? {
        sys::Side::Child => main(confinement, what, archive, &answer),
        sys::Side::Parent(child) => Ok(Watched::new(child, Kind::Errand, report)),
    }
}

/// Does the errand and says how it went.
fn main(confinement: &Confinement, what: &CollectRequest, archive: OwnedFd, answer: &OwnedFd) -> ! {
    let reply = match bound().and_then(|()| confinement.restrict()) {
        Ok(()) => {
            sys::close_all_but(&[archive.as_fd(), answer.as_fd()]);
            collect::main(what, archive)
        }
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
