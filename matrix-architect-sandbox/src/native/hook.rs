//! How a copy of the running program becomes the helper.
//!
//! The server starts `/proc/self/exe` with [`NAME`] as its whole command line and a socket as
//! standard input. A function that the loader calls before `main` sees the name and runs the
//! helper instead of the program. So every program that links this crate, test binaries included,
//! can use the sandbox without doing anything for it. The function reads one string and returns;
//! in the helper it never returns.
//!
//! Where the loader does not hand over the arguments (musl), call [`helper_main_if_requested`]
//! first thing in `main`.

use std::{ffi::CStr, os::fd::OwnedFd};

use rustix::net::SocketType;

use super::sys;

/// The name by which a process knows that it is the helper.
pub(super) const NAME: &CStr = c"matrix-architect-sandbox";

/// Becomes the sandbox's helper if this process was started to be it, and then never returns.
///
/// With glibc this has already happened before `main`; elsewhere call it first thing in `main`,
/// before any thread is started.
///
/// ```
/// matrix_architect_sandbox::native::helper_main_if_requested();
/// // ... the program proper
/// ```
pub fn helper_main_if_requested() {
    let mut arguments = std::env::args_os();
    if arguments.len() != 1 {
        return;
    }
    let name = arguments.next().unwrap_or_default();
    if name.as_encoded_bytes() == NAME.to_bytes() {
        run_if_called_for(NAME);
    }
}

/// Runs the helper if the process bears its name and was given a socket of ours.
pub(super) fn run_if_called_for(name: &CStr) {
    if name != NAME {
        return;
    }
    let socket: OwnedFd = sys::take_descriptor(0);
    if !matches!(rustix::net::sockopt::socket_type(&socket), Ok(SocketType::SEQPACKET)) {
        // Somebody gave another program this name; it is theirs.
        std::mem::forget(socket);
        return;
    }
    super::helper::serve(socket);
    sys::exit(0);
}
