//! A space's holder as a process of this machine, by which its network can be entered.
//!
//! The engine tells the number of a container's first process. Where the engine is elsewhere, or
//! the server is in a container itself, that number is some other process here, and to listen in
//! its network would be to open a door where nobody asked for one. So a process is the holder only
//! if it sees a file that the engine was given for this space alone, with 128 random bits in it.

use std::{
    fs::File,
    io::{self, Read as _},
    net::{Ipv4Addr, TcpListener},
    os::fd::{AsFd as _, OwnedFd},
};

use matrix_architect_core::error::{Error, ErrorKind};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags},
    thread::LinkNameSpaceType,
};

/// Where the file is, as the holder's root has it.
const PROOF: &str = "space/proof";

/// A holder that was seen.
#[derive(Debug)]
pub(super) struct Local {
    /// Its folder in `/proc`, which is empty when it has ended, whoever has its number then.
    process: OwnedFd,
}

/// Why the holder, or its network, is out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreachable {
    /// What its number means here is another process, or none.
    Elsewhere,
    /// It has this process's own network.
    Ours,
    /// It has another kernel.
    OtherKernel,
    /// We may not.
    Refused(rustix::io::Errno),
}

impl Unreachable {
    /// What is the matter.
    pub(super) const fn why(self) -> &'static str {
        match self {
            Self::Elsewhere => "the engine's containers are no processes of this machine",
            Self::Ours => "the engine's containers have this machine's own network",
            Self::OtherKernel => "gVisor's containers have networks of their own kernels",
            Self::Refused(_) => "the server may not enter the network of the engine's containers",
        }
    }

    /// What to do about it.
    pub(super) const fn remedy(self) -> &'static str {
        match self {
            Self::Elsewhere => {
                "run the server on the engine's machine, and outside of containers or with the \
                 machine's pid namespace"
            }
            Self::Ours => "look for plugins that change containers",
            Self::OtherKernel => "use the engine's own runtime, or the native sandbox",
            Self::Refused(_) => {
                "run the server as root, or with CAP_SYS_ADMIN and CAP_SYS_PTRACE, and an engine \
                 that is not rootless"
            }
        }
    }

    /// The error for an egress that cannot be.
    pub(super) fn error(self) -> Error {
        let error = Error::new(
            ErrorKind::Unsupported,
            "a session of this Docker engine cannot be let out to named hosts",
        );
        let error = error.code("no_egress").context("why", self.why()).advice(self.remedy());
        match self {
            Self::Refused(errno) => error.source(io::Error::from(errno)),
            _ => error,
        }
    }
}

/// Not being there and not being it are the same to whoever asks for the holder.
fn unreachable(errno: rustix::io::Errno) -> Unreachable {
    use rustix::io::Errno;
    match errno {
        Errno::ACCESS | Errno::PERM => Unreachable::Refused(errno),
        _ => Unreachable::Elsewhere,
    }
}

impl Local {
    /// The process of this number, if it is the holder of the space that has the proof.
    pub(super) fn certainly(pid: i64, proof: &str) -> Result<Self, Unreachable> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let process = rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty())
            .map_err(|_| Unreachable::Elsewhere)?;
        let local = Self { process };
        if local.seen().map_err(unreachable)? != proof.as_bytes() {
            return Err(Unreachable::Elsewhere);
        }
        local.network()?;
        Ok(local)
    }

    /// What the process finds where the holder finds the proof.
    fn seen(&self) -> rustix::io::Result<Vec<u8>> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::openat(&self.process, "root", flags, Mode::empty())?;
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let stay = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let proof = rustix::fs::openat2(&root, PROOF, flags, Mode::empty(), stay)?;
        let mut text = Vec::new();
        let read = File::from(proof).take(64).read_to_end(&mut text);
        read.map_err(|cause| {
            rustix::io::Errno::from_io_error(&cause).unwrap_or(rustix::io::Errno::IO)
        })?;
        Ok(text)
    }

    /// Its network namespace.
    fn network(&self) -> Result<OwnedFd, Unreachable> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let open = |folder, path| rustix::fs::openat(folder, path, flags, Mode::empty());
        let network = open(self.process.as_fd(), "ns/net").map_err(unreachable)?;
        let own = open(rustix::fs::CWD, "/proc/thread-self/ns/net").map_err(unreachable)?;
        let place = |namespace: &OwnedFd| {
            rustix::fs::fstat(namespace).map(|stat| (stat.st_dev, stat.st_ino)).map_err(unreachable)
        };
        if place(&network)? == place(&own)? {
            return Err(Unreachable::Ours);
        }
        Ok(network)
    }

    /// Whether something listens on a TCP port inside.
    pub(super) fn listens(&self, port: u16) -> bool {
        crate::common::listens(&self.process, ".", port)
    }

    /// A socket that listens on a free port of the loopback interface inside. A thread of its own
    /// enters, makes it and ends: a socket belongs to the network it was made in, whoever has it.
    pub(super) async fn listen(&self) -> Result<TcpListener, Unreachable> {
        let network = self.network()?;
        let entering = move || {
            rustix::thread::move_into_link_name_space(
                network.as_fd(),
                Some(LinkNameSpaceType::Network),
            )?;
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok::<_, io::Error>(listener)
        };
        let entered = tokio::task::spawn_blocking(move || {
            // Not the pool's thread: it would be inside for ever, with whatever it does next.
            let thread = std::thread::Builder::new().name("docker-door".to_owned());
            thread.spawn(entering)?.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
        });
        let refused = |cause: &io::Error| {
            let errno = rustix::io::Errno::from_io_error(cause).unwrap_or(rustix::io::Errno::IO);
            Unreachable::Refused(errno)
        };
        let listener = entered.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        listener.map_err(|cause| refused(&cause))
    }
}
