//! Network namespaces with nothing but a loopback interface, made ahead and used again.
//!
//! Making one takes a third of a session's start, and the kernel takes them down one after the
//! other, later, at the expense of whoever runs then. So the helper keeps some. A session has one
//! for itself, and it is used again only if it is provably as it was made: no socket is left, no
//! packet was ever sent on its loopback interface, and every counter of its protocols is what it
//! was. What could not be seen by that cannot have been changed: addresses, routes, filters and
//! settings need capabilities over the namespace, which belong to the helper's user namespace and
//! no command has any in it, and `/proc/sys` is read-only for commands.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::{
    fs::{Mode, OFlags},
    net::{AddressFamily, SocketFlags, SocketType},
};

use super::{
    fault::{Fault, Step as _},
    sys,
};

/// What tells whether anything happened in a network namespace. Each file that is open stands for
/// the namespace it was opened in.
const WITNESSES: [&str; 6] = [
    "/proc/thread-self/net/dev",
    "/proc/thread-self/net/snmp",
    "/proc/thread-self/net/netstat",
    "/proc/thread-self/net/snmp6",
    "/proc/thread-self/net/sockstat",
    "/proc/thread-self/net/sockstat6",
];

/// Puts the calling process into a new network namespace whose loopback interface is up.
pub(super) fn create() -> Result<(), Fault> {
    sys::unshare(libc::CLONE_NEWNET).step("creating a network namespace")?;
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)
        .step("opening a socket")?;
    sys::loopback_up(socket.as_fd()).step("bringing the loopback interface up")
}

/// A TCP socket that listens on a free port of the loopback interface.
pub(super) fn door() -> Result<OwnedFd, Fault> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let step = "opening the way to the proxy";
    let door = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .step(step)?;
    let place = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
    rustix::net::bind(&door, &place).step(step)?;
    rustix::net::listen(&door, 128).step(step)?;
    Ok(door)
}

/// A network namespace for one session at a time.
#[derive(Debug)]
pub(super) struct Network {
    namespace: OwnedFd,
    witnesses: Vec<(OwnedFd, Vec<u8>)>,
}

impl Network {
    /// Makes one, and leaves the calling process in it.
    pub(super) fn new() -> Result<Self, Fault> {
        create()?;
        let step = "looking at a network namespace";
        let open = |path: &str| {
            rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).step(step)
        };
        let namespace = open("/proc/thread-self/ns/net")?;
        let mut witnesses = Vec::with_capacity(WITNESSES.len());
        for path in WITNESSES {
            // A kernel without IPv6 has fewer of them.
            if let Ok(witness) = open(path) {
                let says = testimony(&witness).step(step)?;
                witnesses.push((witness, says));
            }
        }
        Ok(Self { namespace, witnesses })
    }

    /// What it is entered by, in a process that is about to close everything else and must not
    /// close it twice.
    pub(super) fn into_namespace(self) -> OwnedFd {
        std::mem::forget(self.witnesses);
        self.namespace
    }

    /// Whether it is as it was made, with nobody in it.
    pub(super) fn is_pristine(&self) -> bool {
        self.witnesses.len() >= 4
            && self
                .witnesses
                .iter()
                .all(|(witness, said)| testimony(witness).is_ok_and(|says| says == *said))
    }
}

fn testimony(witness: &OwnedFd) -> rustix::io::Result<Vec<u8>> {
    let mut text = vec![0; 16 << 10];
    let mut length = 0;
    loop {
        match rustix::io::pread(witness, &mut text[length..], length as u64)? {
            0 => break,
            read => length += read,
        }
    }
    text.truncate(length);
    Ok(text)
}
