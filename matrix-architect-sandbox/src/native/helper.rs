//! The helper: a small process with one thread whose children become sessions.
//!
//! A server with a large address space would pay half a second for a fork, and a forked child of a
//! threaded program may do almost nothing. The helper is a fresh copy of the program that did none
//! of its work: it forks in a fraction of a millisecond and its children may do anything. It ends
//! when the server does, because its socket then ends; and with it all sessions.

use std::os::fd::{AsFd as _, OwnedFd};

use super::{
    confine,
    fault::{Fault, Step as _},
    keeper, sys,
    wire::{self, OpenRequest, Reply},
};

/// Starts sessions until the server is gone.
pub(super) fn serve(socket: &OwnedFd) {
    // A server's sockets must not stay open in here after the server has closed them.
    sys::close_from(3);
    let _ = rustix::thread::set_name(NAME);
    sys::ignore_children();
    let ready = own_namespace();
    while let Ok(Some((request, mut descriptors))) = wire::receive::<OpenRequest>(socket.as_fd()) {
        let Some(session) = descriptors.pop() else { continue };
        let started = ready.clone().and_then(|()| start(request, &session));
        if let Err(fault) = started {
            let _ = wire::send(session.as_fd(), &Reply::Failed(fault), &[]);
        }
    }
}

const NAME: &std::ffi::CStr = c"arch-helper";

/// Without root all that follows happens in a user namespace in which this process is root.
fn own_namespace() -> Result<(), Fault> {
    if confine::is_privileged() {
        return Ok(());
    }
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    sys::unshare(libc::CLONE_NEWUSER).step("creating a user namespace")?;
    confine::map_identity(rustix::fs::CWD, "/proc/self", 0, user.as_raw(), group.as_raw())
}

fn start(request: OpenRequest, session: &OwnedFd) -> Result<(), Fault> {
    let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID;
    match sys::clone(flags).step("creating the session's namespaces")? {
        sys::Side::Parent(_) => Ok(()),
        sys::Side::Child => keeper::main(request, session),
    }
}
