//! Network namespaces with nothing but a loopback interface, made ahead and used again.
//!
//! Making one takes a third of a session's start, and the kernel takes them down one after the
//! other, later, at the expense of whoever runs then. So the helper keeps some. A session has one
//! for itself, and it is used again only if it is provably as it was made: no socket is left, no
//! packet was ever sent on its loopback interface, and every counter of its protocols is what it
//! was. What could not be seen by that cannot have been changed: addresses, routes, filters and
//! settings need capabilities over the namespace, which belong to the helper's user namespace and
//! no command has any in it, and `/proc/sys` is read-only for commands.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
    os::fd::{AsFd as _, OwnedFd},
};

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

/// The most of a list of sockets that is read: far more than a service and its peers make.
const MOST_SOCKETS: u64 = 16 << 20;

/// Whether something listens on a TCP port in this process's network. Looks at the list of sockets
/// rather than connecting, which a service would notice. `proc` is this process's own.
pub(super) fn listens(proc: &OwnedFd, port: u16) -> bool {
    ["self/net/tcp", "self/net/tcp6"].into_iter().any(|list| {
        let opened =
            rustix::fs::openat(proc, list, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let Ok(list) = opened else { return false };
        let list = BufReader::new(File::from(list).take(MOST_SOCKETS));
        list.lines().skip(1).map_while(Result::ok).any(|line| is_listener(&line, port))
    })
}

/// Whether a line of `/proc/net/tcp` is about a socket that listens on the port.
fn is_listener(line: &str, port: u16) -> bool {
    const LISTEN: &str = "0A";
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (local, state) = (columns.next(), columns.nth(1));
    let is_it = |local: &str| {
        local.rsplit_once(':').and_then(|(_, own)| u16::from_str_radix(own, 16).ok()) == Some(port)
    };
    local.is_some_and(is_it) && state == Some(LISTEN)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection_and_from_another_port() {
        let line = |state: &str| {
            format!(
                "   0: 0100007F:1F90 00000000:0000 {state} 00000000:00000000 00:00000000 0 1000"
            )
        };
        assert!(is_listener(&line("0A"), 8080));
        assert!(!is_listener(&line("01"), 8080), "a connection");
        assert!(!is_listener(&line("0A"), 8081), "another port");
        let six = "   0: 00000000000000000000000000000000:1538 0:0000 0A 0:0";
        assert!(is_listener(six, 5432));
        assert!(!is_listener("nonsense", 5432));
    }
}
