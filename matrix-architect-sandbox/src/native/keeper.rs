//! A session's first process: it builds the root, keeps the namespaces, starts what the server asks
//! for and watches all of it at once. It is pid 1 of the session's pid namespace, so that its death is the death of
//! everything in the session, and commands cannot see it: each gets a pid namespace below.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec},
    fs::{Gid, Uid},
    process::{PidfdFlags, Signal},
};

use super::{
    collect, confine,
    confinement::Confinement,
    fault::{Fault, Step as _},
    init,
    meter::Meter,
    root::{self, Scratch},
    supervise::{self, Kind, Watched},
    sys, unpack,
    wire::{self, Layer, OpenRequest, Reply, Request, RunRequest},
};

/// How often usage is looked at where the kernel holds no limit.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What a session holds on to.
#[derive(Debug)]
struct Keeper {
    socket: OwnedFd,
    scratch: Scratch,
    confinement: Confinement,
    children: Vec<Watched>,
}

/// Lives as the session until its socket ends.
pub(super) fn main(request: OpenRequest, socket: &OwnedFd) -> ! {
    sys::reset_signals();
    // The helper's death must be ours.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let outcome = socket
        .try_clone()
        .step("keeping the session's socket")
        .and_then(|socket| Keeper::build(request, socket));
    match outcome {
        Ok(mut keeper) => keeper.serve(),
        Err(fault) => {
            let _ = wire::send(socket.as_fd(), &Reply::Failed(fault), &[]);
            sys::exit(1)
        }
    }
}

impl Keeper {
    fn build(request: OpenRequest, socket: OwnedFd) -> Result<Self, Fault> {
        let mut without = request.without;
        let mut lacking = Vec::new();
        for (layer, enter) in NAMESPACES {
            if without.contains(&layer) {
                continue;
            }
            if let Err(fault) = enter() {
                without.push(layer);
                lacking.push((layer, fault));
            }
        }
        let scratch = root::build(&request.root, request.disk, request.user)?;
        let confinement = Confinement::prepare(request.user, without, &mut lacking);
        let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .step("opening the session's pidfd")?;
        wire::send(socket.as_fd(), &Reply::Ready(lacking), &[own.as_fd()])
            .step("answering the server")?;
        Ok(Self { socket, scratch, confinement, children: Vec::new() })
    }

    /// Does what the server asks and watches what it started, whichever comes first.
    fn serve(&mut self) -> ! {
        loop {
            let Ok(woken) = self.wait() else { sys::exit(1) };
            for child in &mut self.children {
                child.look(&self.scratch);
            }
            // From the last to the first, so that the places of those before stay.
            for place in woken.ended.into_iter().rev() {
                let reply = self.children.remove(place).conclude(&self.scratch);
                self.answer(reply);
            }
            if woken.spoken {
                self.listen();
            }
        }
    }

    /// Waits until the server speaks, a child ends, or it is time to look at usage.
    fn wait(&self) -> rustix::io::Result<Woken> {
        let tick = self.children.iter().any(Watched::is_metered).then_some(&TICK);
        let pidfds = self.children.iter().map(|child| &child.child.pidfd);
        let mut waits: Vec<_> = std::iter::once(&self.socket)
            .chain(pidfds)
            .map(|descriptor| PollFd::new(descriptor, PollFlags::IN))
            .collect();
        match rustix::event::poll(&mut waits, tick) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(cause) => return Err(cause),
        }
        let mut fired = waits.iter().map(|wait| !wait.revents().is_empty());
        let spoken = fired.next().unwrap_or(false);
        let ended = fired.enumerate().filter_map(|(place, fired)| fired.then_some(place));
        Ok(Woken { spoken, ended: ended.collect() })
    }

    /// Takes one request. The end of the socket is the end of the session: as pid 1 we take
    /// everything with us.
    fn listen(&mut self) {
        let Ok(Some((request, descriptors))) = wire::receive::<Request>(self.socket.as_fd()) else {
            sys::exit(0)
        };
        let started = match request {
            Request::Run(run) => self.run(&run, descriptors),
            Request::Unpack => self.errand(descriptors, unpack::main),
            Request::Collect(what) => {
                self.errand(descriptors, |archive| collect::main(&what, archive))
            }
            Request::Listen => return self.open_door(),
            // What was to be killed may have ended by itself meanwhile.
            Request::Kill => return self.children.iter().for_each(Watched::kill),
            Request::Close => sys::exit(0),
        };
        match started {
            Ok(watched) => self.children.push(watched),
            Err(fault) => self.answer(Err(fault)),
        }
    }

    fn answer(&self, reply: Result<Reply, Fault>) {
        let reply = reply.unwrap_or_else(Reply::Failed);
        if wire::send(self.socket.as_fd(), &reply, &[]).is_err() {
            sys::exit(0)
        }
    }

    /// Hands the server a listener on the session's own loopback interface. The socket stays in
    /// this network wherever it is accepted on; nothing of it is kept here.
    fn open_door(&self) {
        let sent = match door() {
            Ok(door) => wire::send(self.socket.as_fd(), &Reply::Listening, &[door.as_fd()]),
            Err(fault) => return self.answer(Err(fault)),
        };
        if sent.is_err() {
            sys::exit(0)
        }
    }

    fn run(&mut self, run: &RunRequest, descriptors: Vec<OwnedFd>) -> Result<Watched, Fault> {
        self.scratch.resize(run.disk)?;
        let mut descriptors = descriptors.into_iter();
        let mut next = || {
            descriptors.next().ok_or_else(|| {
                Fault::new("reading the request", &io::Error::other("a descriptor is missing"))
            })
        };
        let stdio = [next()?, next()?, next()?];
        self.hand_over(&stdio)?;
        let meter = Meter::new(if run.meter { Some(next()?) } else { None }, run)?;
        let cgroups = descriptors.collect::<Vec<_>>();
        let (report, answer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .step("opening a pipe for the command's report")?;
        let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID;
        match sys::clone(flags).step("creating the command's namespaces")? {
            sys::Side::Child => init::main(&self.confinement, run, &stdio, &cgroups, &answer),
            sys::Side::Parent(child) => Ok(Watched { child, report, kind: Kind::Command(meter) }),
        }
    }

    /// Lets the command open `/dev/stdout` and `/dev/stderr` by name, as scripts do.
    fn hand_over(&self, stdio: &[OwnedFd; 3]) -> Result<(), Fault> {
        let Some(id) = self.confinement.user else { return Ok(()) };
        for pipe in &stdio[1..] {
            let kind = rustix::fs::fstat(pipe).step("looking at the command's output")?;
            if rustix::fs::FileType::from_raw_mode(kind.st_mode) == rustix::fs::FileType::Fifo {
                let owner = (Some(Uid::from_raw(id)), Some(Gid::from_raw(id)));
                rustix::fs::fchown(pipe, owner.0, owner.1).step("handing the output over")?;
            }
        }
        Ok(())
    }

    /// Runs a small piece of our own code inside the root, as the commands' user, in a process
    /// that can be killed like a command.
    fn errand(
        &self,
        mut descriptors: Vec<OwnedFd>,
        errand: impl FnOnce(OwnedFd) -> Reply,
    ) -> Result<Watched, Fault> {
        let Some(archive) = descriptors.pop() else {
            return Err(Fault::new("reading the request", &io::Error::other("no descriptor")));
        };
        let (report, answer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .step("opening a pipe for the report")?;
        match sys::clone(0).step("starting a process")? {
            sys::Side::Child => {
                let reply = confine::become_owner(self.confinement.user)
                    .map_or_else(Reply::Failed, |()| errand(archive));
                let _ = supervise::report(&answer, &reply);
                sys::exit(0)
            }
            sys::Side::Parent(child) => Ok(Watched { child, report, kind: Kind::Errand }),
        }
    }
}

/// Why a wait is over.
#[derive(Debug)]
struct Woken {
    spoken: bool,
    /// The places of children that have ended.
    ended: Vec<usize>,
}

/// A TCP socket that listens on a free port of the loopback interface.
fn door() -> Result<OwnedFd, Fault> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let step = "opening the way to the proxy";
    let door = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)
        .step(step)?;
    let place = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 0);
    rustix::net::bind(&door, &place).step(step)?;
    rustix::net::listen(&door, 128).step(step)?;
    Ok(door)
}

type Enter = fn() -> Result<(), Fault>;

/// Namespaces that are the session's. Those of processes and mounts came with the clone.
const NAMESPACES: [(Layer, Enter); 3] = [
    (Layer::Network, enter_network),
    (Layer::Ipc, || sys::unshare(libc::CLONE_NEWIPC).step("creating an ipc namespace")),
    (Layer::HostName, enter_host_name),
];

fn enter_network() -> Result<(), Fault> {
    use rustix::net::{AddressFamily, SocketType};
    sys::unshare(libc::CLONE_NEWNET).step("creating a network namespace")?;
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)
        .step("opening a socket")?;
    sys::loopback_up(socket.as_fd()).step("bringing the loopback interface up")
}

fn enter_host_name() -> Result<(), Fault> {
    sys::unshare(libc::CLONE_NEWUTS).step("creating a uts namespace")?;
    rustix::system::sethostname(b"sandbox").step("setting the host name")
}
