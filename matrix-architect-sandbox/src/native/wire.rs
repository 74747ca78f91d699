//! What is said between the server, the helper and a session, and how.
//!
//! Messages are JSON datagrams; what is larger than one, as arguments and environments can be,
//! travels in a memfd. It and the descriptors that belong to the message are `SCM_RIGHTS` on a
//! sequenced-packet socket, whose end of file is the death of the other side.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, Write as _},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use matrix_architect_core::traits::Bind;
use rustix::{
    fs::MemfdFlags,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
        SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::fault::Fault;

/// More descriptors than any message carries.
const MAX_DESCRIPTORS: usize = 12;

/// To the helper.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// First of all: what the roots of all sessions are made of.
    SetUp(RootPlan),
    /// Start a session, whose socket comes along.
    Open(OpenRequest),
}

/// What a session is to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct OpenRequest {
    /// Host paths shown inside beside those of all sessions.
    pub(super) binds: Vec<Bind>,
    /// Bytes of the writable space.
    pub(super) disk: u64,
    /// Whom commands run as on the host; themselves if the host is not root's.
    pub(super) user: Option<u32>,
    /// Layers that this machine was found to lack and the caller does without.
    pub(super) without: Vec<Layer>,
}

/// The content of a session's root, all of it read-only.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RootPlan {
    /// Host paths shown inside.
    pub(crate) binds: Vec<Bind>,
    /// Symbolic links: where and to what.
    pub(crate) links: Vec<(String, String)>,
    /// Small files: where and what.
    pub(crate) files: Vec<(String, String)>,
}

/// A layer of isolation that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Layer {
    /// No network but an own loopback.
    Network,
    /// System V and POSIX message queues and segments of its own.
    Ipc,
    /// A host name of its own.
    HostName,
    /// A fresh `/proc` that shows only the command's processes.
    Proc,
    /// A view of control groups without the host's paths.
    CgroupView,
    /// A user namespace of its own for every command.
    User,
    /// Landlock.
    Landlock,
    /// The system call filter.
    Seccomp,
}

impl Layer {
    pub(super) const ALL: [Self; 8] = [
        Self::Network,
        Self::Ipc,
        Self::HostName,
        Self::Proc,
        Self::CgroupView,
        Self::User,
        Self::Landlock,
        Self::Seccomp,
    ];

    /// The name in reports.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Ipc => "ipc",
            Self::HostName => "host_name",
            Self::Proc => "proc",
            Self::CgroupView => "cgroup_view",
            Self::User => "user",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }

    /// What holds it.
    pub(super) const fn mechanism(self) -> &'static str {
        match self {
            Self::Network => "network namespace with loopback only",
            Self::Ipc => "ipc namespace",
            Self::HostName => "uts namespace",
            Self::Proc => "fresh read-only proc of the pid namespace",
            Self::CgroupView => "cgroup namespace",
            Self::User => "user namespace without capabilities",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        }
    }
}

/// To a session.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// Give the writable space another size.
    Resize {
        /// Bytes of the writable space.
        disk: u64,
    },
    /// Make everything ready for the next command but the command. Descriptors: one membership
    /// file for each cgroup. What was made ready before and not used is ended. No reply.
    Prepare(SeatRequest),
    /// Run a command in what was made ready. Descriptors: standard input, output, error; CPU
    /// meter if `meter`.
    Run(RunRequest),
    /// Write an archive of paths to the one descriptor.
    Collect(CollectRequest),
    /// Listen on a port of the session's loopback interface and hand the listener over.
    Listen,
    /// Run a service in what was made ready, beside commands. Descriptors as for a command. No
    /// reply: how it does is looked at.
    Start(RunRequest),
    /// Tell how the services do, and whether something listens on a TCP port.
    Look {
        /// The port.
        port: Option<u16>,
    },
    /// End a service, by the order of their start.
    Stop {
        /// Its place in that order.
        place: usize,
    },
    /// End what runs, but no service.
    Kill,
    /// End the session.
    Close,
}

/// What a command's processes are bounded by before it is known which command.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct SeatRequest {
    /// Per-process bounds.
    pub(super) rlimits: Rlimits,
    /// Go on without a layer that cannot be entered, and tell it.
    pub(super) proving: bool,
    /// Whether no cgroup counts processes, so that the session does.
    pub(super) counting: bool,
}

/// To a command's first process: what to become.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Program {
    /// Program and arguments. Empty: execute nothing.
    pub(super) argv: Vec<String>,
    /// The whole environment.
    pub(super) env: BTreeMap<String, String>,
    /// Where it starts, relative to the tree.
    pub(super) cwd: Option<String>,
}

/// A command with everything decided.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct RunRequest {
    pub(super) program: Program,
    /// CPU time of the tree in microseconds.
    pub(super) cpu_micros: u64,
    /// Bytes of memory of the tree that the session itself watches; 0 where a cgroup does.
    pub(super) memory: u64,
    /// Bytes of the writable space.
    pub(super) disk: u64,
    /// Whether a CPU meter is among the descriptors.
    pub(super) meter: bool,
}

/// Bounds set with `setrlimit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rlimits {
    pub(super) cpu_seconds: u64,
    pub(super) file_size: u64,
    pub(super) open_files: u64,
    /// Processes of the command's user namespace.
    pub(super) processes: u64,
    /// Private memory of one process; 0 for no bound.
    pub(super) data: u64,
}

/// What to take out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct CollectRequest {
    pub(super) patterns: Vec<String>,
    pub(super) max_bytes: u64,
    pub(super) max_entries: u64,
}

/// From a session. The pidfd of its first process and the folder of its tree come with `Ready`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The session stands; these layers it lacks, and why.
    Ready(Vec<(Layer, Fault)>),
    /// Resized, collected.
    Done,
    /// The listener is the message's descriptor.
    Listening,
    /// A command ended.
    Ended(Ended),
    /// How the services do.
    Services(Services),
    /// It could not be done.
    Failed(Fault),
    /// What was asked for is more than was allowed.
    TooLarge { what: String, cap: u64 },
}

/// What was seen of a session's services.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Services {
    /// How each ended, in the order of their start; `None` while it runs.
    pub(super) ended: Vec<Option<Result<Ended, Fault>>>,
    /// Whether something listens on the port that was asked for.
    pub(super) listens: bool,
}

/// How a command ended, as seen from inside.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each was seen or not, whatever the others")]
pub(crate) struct Ended {
    /// The wait status of the command; `None` if all was killed before it could be told.
    pub(crate) status: Option<i32>,
    /// The program was not found or could not be executed: the error number.
    pub(crate) not_executed: Option<i32>,
    /// The layers that did not hold, and why; only ever filled when proving.
    pub(crate) lacking: Vec<(Layer, Fault)>,
    /// Nothing of the command was alive any more when this was written.
    pub(crate) alone: bool,
    pub(crate) user_micros: u64,
    pub(crate) system_micros: u64,
    /// The largest process, or the largest sum that was seen.
    pub(crate) peak_memory: u64,
    /// We ended it for its CPU time.
    pub(crate) cpu_exceeded: bool,
    /// We ended it for its memory.
    pub(crate) memory_exceeded: bool,
    /// The writable space was full at some moment.
    pub(crate) disk_full: bool,
    /// The most processes that were seen at once; 0 where a cgroup counts them.
    pub(crate) most_processes: u32,
}

/// Two connected ends; the first does not block.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let ends = rustix::net::socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    rustix::io::ioctl_fionbio(&ends.0, true)?;
    Ok(ends)
}

/// A file in memory with this content, at its start.
pub(crate) fn memory_file(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create(
        "architect",
        MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
    )?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// The largest message that is sent as it is; far below what a socket's buffer takes.
const DATAGRAM: usize = 16 << 10;

/// What a message begins with.
const INLINE: u8 = b'i';
const IN_MEMFD: u8 = b'm';

/// Sends a message with descriptors.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut payload = vec![INLINE];
    serde_json::to_writer(&mut payload, message)?;
    let mut all = Vec::with_capacity(descriptors.len() + 1);
    let body;
    if payload.len() > DATAGRAM {
        body = memory_file(&payload[1..])?;
        payload = vec![IN_MEMFD];
        all.push(body.as_fd());
    }
    all.extend_from_slice(descriptors);
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !all.is_empty() && !control.push(SendAncillaryMessage::ScmRights(&all)) {
        return Err(io::Error::other("too many descriptors for one message"));
    }
    let payload = [io::IoSlice::new(&payload)];
    rustix::io::retry_on_intr(|| {
        rustix::net::sendmsg(socket, &payload, &mut control, SendFlags::NOSIGNAL)
    })?;
    Ok(())
}

/// Receives a message, or `None` when the other side is gone.
pub(super) fn receive<M: DeserializeOwned>(
    socket: BorrowedFd<'_>,
) -> io::Result<Option<(M, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut payload = Vec::new();
    let mut take = || {
        // Asked first, for in a process just forked each page of a buffer is a page fault.
        let look = RecvFlags::PEEK | RecvFlags::TRUNC;
        let (_, length) =
            rustix::io::retry_on_intr(|| rustix::net::recv(socket, &mut [0_u8; 0], look))?;
        payload.resize(length, 0);
        rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(
                socket,
                &mut [io::IoSliceMut::new(&mut payload)],
                &mut control,
                RecvFlags::CMSG_CLOEXEC,
            )
        })
    };
    let received = match take() {
        // The other side is gone without having read all of ours. That is told first and once;
        // what it said before is still there.
        Err(rustix::io::Errno::CONNRESET) => take(),
        received => received,
    };
    let length = match received {
        Err(cause) => return Err(cause.into()),
        Ok(message) if message.bytes == 0 => return Ok(None),
        Ok(message) if message.flags.contains(ReturnFlags::CTRUNC) => {
            return Err(io::Error::other("descriptors of a message were lost"));
        }
        Ok(message) => message.bytes,
    };
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let mut descriptors: Vec<OwnedFd> = descriptors.by_ref().flatten().collect();
    if payload[0] == INLINE {
        return Ok(Some((serde_json::from_slice(&payload[1..length])?, descriptors)));
    }
    if descriptors.is_empty() {
        return Err(io::Error::other("a message without its body"));
    }
    let mut body = File::from(descriptors.remove(0));
    let mut text = Vec::new();
    body.rewind()?;
    body.read_to_end(&mut text)?;
    Ok(Some((serde_json::from_slice(&text)?, descriptors)))
}
