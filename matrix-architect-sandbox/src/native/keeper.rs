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
    confinement::{Confinement, FilterSet},
    errand,
    fault::{Fault, Step as _},
    meter::Meter,
    network,
    root::{self, Scratch},
    seat::Seat,
    stand::{enter_namespaces, stand},
    supervise::{Conclusion, Kind, Watched},
    sys,
    wire::{
        self, CollectRequest, Ended, Layer, OpenRequest, Reply, Request, RootPlan, RunRequest,
        Services,
    },
};

/// How often usage is looked at where the kernel holds no limit.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What a session is made from: its socket and what the helper has ready.
#[derive(Debug)]
pub(super) struct Foundation<'a> {
    pub(super) socket: OwnedFd,
    /// The mount namespace with the root of all sessions.
    pub(super) template: &'a OwnedFd,
    /// What that root was made from.
    pub(super) plan: &'a RootPlan,
    /// A network namespace that nobody is in.
    pub(super) network: Option<OwnedFd>,
    pub(super) filters: Result<FilterSet, Fault>,
}

/// What a session holds on to.
#[derive(Debug)]
struct Keeper {
    socket: OwnedFd,
    scratch: Scratch,
    proc: OwnedFd,
    confinement: Confinement,
    /// What the next command gets, or why there is none.
    seat: Result<Seat, Fault>,
    children: Vec<Watched>,
    /// How each service ended, in the order of their start; `None` while it runs.
    services: Vec<Option<Result<Ended, Fault>>>,
}

/// Lives as the session until its socket ends.
pub(super) fn main(request: &OpenRequest, foundation: Foundation<'_>) -> ! {
    sys::heed_children(true);
    // The helper's death must be ours.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let socket = foundation.socket.try_clone();
    match Keeper::build(request, foundation) {
        Ok(mut keeper) => keeper.serve(),
        Err(fault) => {
            let _ = socket.map(|socket| wire::send(socket.as_fd(), &Reply::Failed(fault), &[]));
            sys::exit(1)
        }
    }
}

impl Keeper {
    fn build(request: &OpenRequest, foundation: Foundation<'_>) -> Result<Self, Fault> {
        let mut without = request.without.clone();
        let mut lacking = Vec::new();
        let (scratch, proc) = stand(request, &foundation)?;
        let network = foundation.network.as_ref();
        let ipc_is_bounded = enter_namespaces(&proc, network, &mut without, &mut lacking);
        let filters = foundation.filters.map(|filters| filters.for_session(ipc_is_bounded));
        let confinement = Confinement::prepare(request.user, filters, without, &mut lacking);
        let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
            .step("opening the session's pidfd")?;
        let tree = root::tree()?;
        let with = [own.as_fd(), tree.as_fd()];
        wire::send(foundation.socket.as_fd(), &Reply::Ready(lacking), &with)
            .step("answering the server")?;
        let (socket, seat) = (foundation.socket, Err(no_seat()));
        let (children, services) = (Vec::new(), Vec::new());
        Ok(Self { socket, scratch, proc, confinement, seat, children, services })
    }

    /// Does what the server asks and watches what it started, whichever comes first.
    fn serve(&mut self) -> ! {
        loop {
            let Ok(woken) = self.wait() else { sys::exit(1) };
            // From the last to the first, so that the places of those before stay.
            for woken in woken.children.into_iter().rev() {
                self.attend(&woken);
            }
            if woken.spoken {
                self.listen();
            }
        }
    }

    /// Waits until the server speaks, a child speaks or ends, or it is time to look at usage.
    fn wait(&self) -> rustix::io::Result<Woken> {
        let tick = self.children.iter().any(Watched::is_metered).then_some(&TICK);
        let mut waits = Vec::with_capacity(1 + 2 * self.children.len());
        waits.push(PollFd::new(&self.socket, PollFlags::IN));
        for child in &self.children {
            waits.push(PollFd::new(&child.child.pidfd, PollFlags::IN));
            // A negative number would do for nothing to wait for; the pidfd again does, too.
            let report = child.report.as_ref().unwrap_or(&child.child.pidfd);
            waits.push(PollFd::new(report, PollFlags::IN));
        }
        match rustix::event::poll(&mut waits, tick) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(cause) => return Err(cause),
        }
        let fired = |wait: &PollFd<'_>| !wait.revents().is_empty();
        let children = waits[1..].chunks(2).enumerate();
        let children = children.map(|(place, pair)| WokenChild {
            place,
            ended: fired(&pair[0]),
            spoken: fired(&pair[1]),
        });
        Ok(Woken { spoken: fired(&waits[0]), children: children.collect() })
    }

    /// Looks at one child, and answers for it when what the server waits for is over.
    fn attend(&mut self, woken: &WokenChild) {
        let child = &mut self.children[woken.place];
        child.look(&self.scratch);
        if woken.spoken {
            child.hear();
        }
        if !woken.ended {
            if child.is_done() {
                // It only has to end, and does so even if what it read was stronger than it.
                child.kill();
            }
            if child.is_alone() || child.is_done() {
                let conclusion = child.conclude(None);
                self.tell(conclusion);
            }
            return;
        }
        let mut child = self.children.remove(woken.place);
        let used = sys::wait(child.child.pid).ok().map(|reaped| reaped.used);
        self.tell(child.conclude(used));
    }

    fn tell(&mut self, conclusion: Conclusion) {
        match conclusion {
            Conclusion::Nobody => {}
            Conclusion::Server(reply) => self.answer(reply),
            Conclusion::Service(place, how) => self.services[place] = Some(how),
        }
    }

    /// Takes one request. The end of the socket is the end of the session: as pid 1 we take
    /// everything with us.
    fn listen(&mut self) {
        let Ok(Some((request, descriptors))) = wire::receive::<Request>(self.socket.as_fd()) else {
            sys::exit(0)
        };
        let started = match request {
            Request::Prepare(seat) => {
                let made = Seat::prepare(&self.confinement, &self.proc, &seat, &descriptors);
                let before = std::mem::replace(&mut self.seat, made);
                return self.children.extend(before.ok().map(Seat::dismiss));
            }
            Request::Run(run) => self.run(&run, descriptors, Kind::Command),
            Request::Start(run) => return self.start(&run, descriptors),
            Request::Look { port } => return self.look(port),
            Request::Stop { place } => {
                let found = self.children.iter().filter(|child| child.is_service_at(place));
                return found.for_each(Watched::kill);
            }
            Request::Resize { disk } => {
                let resized = self.scratch.resize(disk);
                return self.answer(resized.map(|()| Reply::Done));
            }
            Request::Collect(what) => self.collect(&what, descriptors),
            Request::Listen => return self.open_door(),
            // What was to be killed may have ended by itself meanwhile.
            Request::Kill => {
                let others = self.children.iter().filter(|child| !child.is_service());
                return others.for_each(Watched::kill);
            }
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
        let sent = match network::door() {
            Ok(door) => wire::send(self.socket.as_fd(), &Reply::Listening, &[door.as_fd()]),
            Err(fault) => return self.answer(Err(fault)),
        };
        if sent.is_err() {
            sys::exit(0)
        }
    }

    /// Starts a service. Whether it came about stands with how it does.
    fn start(&mut self, run: &RunRequest, descriptors: Vec<OwnedFd>) {
        let place = self.services.len();
        self.services.push(None);
        match self.run(run, descriptors, |meter| Kind::Service(place, meter)) {
            Ok(watched) => self.children.push(watched),
            Err(fault) => self.services[place] = Some(Err(fault)),
        }
    }

    /// Tells how the services do.
    fn look(&self, port: Option<u16>) {
        let listens = port.is_some_and(|port| crate::common::listens(&self.proc, "self", port));
        self.answer(Ok(Reply::Services(Services { ended: self.services.clone(), listens })));
    }

    fn run(
        &mut self,
        run: &RunRequest,
        descriptors: Vec<OwnedFd>,
        kind: impl FnOnce(Meter) -> Kind,
    ) -> Result<Watched, Fault> {
        let seat = std::mem::replace(&mut self.seat, Err(no_seat()))?;
        match self.ready(run, descriptors, &seat) {
            Ok((stdio, meter)) => Ok(seat.start(&run.program, &stdio, kind(meter))),
            Err(fault) => {
                self.children.push(seat.dismiss());
                Err(fault)
            }
        }
    }

    /// Makes what belongs to one command ready: space, streams, and a watch over what it uses.
    fn ready(
        &mut self,
        run: &RunRequest,
        descriptors: Vec<OwnedFd>,
        seat: &Seat,
    ) -> Result<([OwnedFd; 3], Meter), Fault> {
        self.scratch.resize(run.disk)?;
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or_else(|| unreadable("a descriptor is missing"));
        let stdio = [next()?, next()?, next()?];
        self.hand_over(&stdio)?;
        let meter = if run.meter {
            Meter::of_cgroup(next()?, run)
        } else {
            let has_ipc = !self.confinement.without.contains(&Layer::Ipc);
            Meter::of_processes(&self.proc, seat.pid(), has_ipc, run)?
        };
        Ok((stdio, meter))
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

    /// Has a child write an archive.
    fn collect(&self, what: &CollectRequest, mut with: Vec<OwnedFd>) -> Result<Watched, Fault> {
        let archive = with.pop().ok_or_else(|| unreadable("a descriptor is missing"))?;
        errand::start(&self.confinement, what, archive)
    }
}

fn unreadable(why: &str) -> Fault {
    Fault::new("reading the request", &io::Error::other(why))
}

fn no_seat() -> Fault {
    unreadable("nothing was made ready for a command")
}

/// Why a wait is over.
#[derive(Debug)]
struct Woken {
    spoken: bool,
    children: Vec<WokenChild>,
}

/// What a child did to end a wait, perhaps nothing.
#[derive(Debug)]
struct WokenChild {
    place: usize,
    spoken: bool,
    ended: bool,
}
