//! A session's first process: it builds the root, keeps the namespaces, and starts one command
//! after the other. It is pid 1 of the session's pid namespace, so that its death is the death of
//! everything in the session, and commands cannot see it: each gets a pid namespace below.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    fs::{Gid, Uid},
    process::{PidfdFlags, Signal},
};

use super::{
    collect, confine,
    fault::{Fault, Step as _},
    init, landlock_rules,
    root::{self, Scratch},
    seccomp_filter::Filters,
    supervise::{self, Work},
    sys, unpack,
    wire::{self, Layer, OpenRequest, Reply, Request, RunRequest},
};

/// What a session holds on to between commands.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) socket: OwnedFd,
    pub(super) user: Option<u32>,
    pub(super) scratch: Scratch,
    pub(super) filters: Option<Filters>,
    pub(super) landlock: Option<OwnedFd>,
    pub(super) without: Vec<Layer>,
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
        let mut keeper =
            Self { socket, user: request.user, scratch, filters: None, landlock: None, without };
        keeper.prepare(&mut lacking);
        let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .step("opening the session's pidfd")?;
        wire::send(keeper.socket.as_fd(), &Reply::Ready(lacking), &[own.as_fd()])
            .step("answering the server")?;
        Ok(keeper)
    }

    /// Compiles what every command is put under.
    fn prepare(&mut self, lacking: &mut Vec<(Layer, Fault)>) {
        if !self.without.contains(&Layer::Seccomp) {
            match Filters::compile() {
                Ok(filters) => self.filters = Some(filters),
                Err(fault) => lacking.push((Layer::Seccomp, fault)),
            }
        }
        if !self.without.contains(&Layer::Landlock) {
            match landlock_rules::ruleset() {
                Ok(ruleset) => self.landlock = Some(ruleset),
                Err(fault) => lacking.push((Layer::Landlock, fault)),
            }
        }
        let missing = lacking.iter().map(|(layer, _)| *layer).collect::<Vec<_>>();
        self.without.extend(missing);
    }

    fn serve(&mut self) -> ! {
        loop {
            let Ok(Some((request, descriptors))) = wire::receive::<Request>(self.socket.as_fd())
            else {
                sys::exit(0)
            };
            let reply = match request {
                Request::Run(run) => self.run(&run, descriptors),
                Request::Unpack => self.errand(descriptors, unpack::main),
                Request::Collect(what) => {
                    self.errand(descriptors, |archive| collect::main(&what, archive))
                }
                // What was to be killed has ended by itself meanwhile.
                Request::Kill => continue,
                Request::Close => sys::exit(0),
            };
            let reply = reply.unwrap_or_else(Reply::Failed);
            if wire::send(self.socket.as_fd(), &reply, &[]).is_err() {
                sys::exit(0)
            }
        }
    }

    fn run(&mut self, run: &RunRequest, descriptors: Vec<OwnedFd>) -> Result<Reply, Fault> {
        self.scratch.resize(run.disk)?;
        let mut descriptors = descriptors.into_iter();
        let mut next = || {
            descriptors.next().ok_or_else(|| {
                Fault::new("reading the request", &io::Error::other("a descriptor is missing"))
            })
        };
        let stdio = [next()?, next()?, next()?];
        self.hand_over(&stdio)?;
        let meter = if run.meter { Some(next()?) } else { None };
        let cgroups = descriptors.collect::<Vec<_>>();
        let (report, answer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .step("opening a pipe for the command's report")?;
        let flags = libc::CLONE_NEWNS | libc::CLONE_NEWPID;
        match sys::clone(flags).step("creating the command's namespaces")? {
            sys::Side::Child => init::main(self, run, &stdio, &cgroups, &answer),
            sys::Side::Parent(child) => {
                drop((stdio, cgroups, answer));
                let work = Work { child, report, meter, run: Some(run) };
                supervise::to_the_end(self, work)
            }
        }
    }

    /// Lets the command open `/dev/stdout` and `/dev/stderr` by name, as scripts do.
    fn hand_over(&self, stdio: &[OwnedFd; 3]) -> Result<(), Fault> {
        let Some(id) = self.user else { return Ok(()) };
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
    ) -> Result<Reply, Fault> {
        let Some(archive) = descriptors.pop() else {
            return Err(Fault::new("reading the request", &io::Error::other("no descriptor")));
        };
        let (report, answer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
            .step("opening a pipe for the report")?;
        match sys::clone(0).step("starting a process")? {
            sys::Side::Child => {
                let reply = confine::become_owner(self.user)
                    .map_or_else(Reply::Failed, |()| errand(archive));
                let _ = supervise::report(&answer, &reply);
                sys::exit(0)
            }
            sys::Side::Parent(child) => {
                drop((archive, answer));
                supervise::to_the_end(self, Work { child, report, meter: None, run: None })
            }
        }
    }
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
