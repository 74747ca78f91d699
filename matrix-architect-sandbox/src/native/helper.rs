//! The helper: a small process with one thread whose children become sessions.
//!
//! A server with a large address space would pay half a second for a fork, and a forked child of a
//! threaded program may do almost nothing. The helper is a fresh copy of the program that did none
//! of its work: it forks in a fraction of a millisecond and its children may do anything. It ends
//! when the server does, because its socket then ends; and with it all sessions.
//!
//! It also keeps what sessions have in common: the root all of them start from, the compiled
//! filter, and network namespaces.

use std::{
    io,
    os::fd::{AsFd as _, IntoRawFd as _, OwnedFd},
};

use rustix::event::{PollFd, PollFlags, Timespec};

use super::{
    confine,
    confinement::FilterSet,
    fault::{Fault, Step as _},
    keeper::{self, Foundation},
    network::Network,
    root, sys,
    wire::{self, Layer, OpenRequest, Order, Reply, RootPlan},
};

/// How many network namespaces are kept that nobody is in.
const SPARE_NETWORKS: usize = 8;

/// Starts sessions until the server is gone.
pub(super) fn serve(standard_input: OwnedFd) {
    // A server's sockets must not stay open in here after the server has closed them.
    sys::close_from(3);
    let Ok(socket) = move_aside(standard_input) else { return };
    let socket = &socket;
    let _ = rustix::thread::set_name(NAME);
    sys::reset_signals();
    sys::heed_children(false);
    let Ok(Some((Order::SetUp(plan), _))) = wire::receive::<Order>(socket.as_fd()) else { return };
    let ready = own_namespace().and_then(|()| template(&plan));
    let mut helper = Helper {
        plan,
        ready,
        filters: FilterSet::begin(),
        spare: Vec::new(),
        returned: Vec::new(),
        used: Vec::new(),
    };
    // What all this took is not handed down to every session.
    sys::trim();
    while helper.wait(socket) {
        let received = wire::receive::<Order>(socket.as_fd());
        let Ok(Some((Order::Open(request), mut descriptors))) = received else { return };
        let Some(session) = descriptors.pop() else { continue };
        if let Err(fault) = helper.start(&request, &session) {
            let _ = wire::send(session.as_fd(), &Reply::Failed(fault), &[]);
        }
    }
}

const NAME: &std::ffi::CStr = c"arch-helper";

/// Moves the server's socket away from standard input, which every process that is forked here
/// keeps: nobody else may read or answer what the helper is told.
fn move_aside(standard_input: OwnedFd) -> io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(&standard_input, 3)?;
    let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
    let nothing = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty())?;
    sys::place(nothing.as_fd(), standard_input.into_raw_fd())?;
    Ok(socket)
}

/// Without root all that follows happens in a user namespace in which this process is root.
fn own_namespace() -> Result<(), Fault> {
    if confine::is_privileged() {
        return Ok(());
    }
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    sys::unshare(libc::CLONE_NEWUSER).step("creating a user namespace")?;
    confine::map_identity(rustix::fs::CWD, "/proc/self", 0, user.as_raw(), group.as_raw())
}

/// Has a child build the root of all sessions, and keeps its mount namespace.
fn template(plan: &RootPlan) -> Result<OwnedFd, Fault> {
    let step = "building the root of all sessions";
    let (ours, theirs) = wire::pair().step(step)?;
    rustix::io::ioctl_fionbio(&ours, false).step(step)?;
    match sys::clone(libc::CLONE_NEWNS).step(step)? {
        sys::Side::Child => {
            let flags = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC;
            let own = rustix::fs::open("/proc/self/ns/mnt", flags, rustix::fs::Mode::empty())
                .step("looking at a mount namespace");
            let _ = match own.and_then(|own| root::build(plan).map(|()| own)) {
                Ok(own) => wire::send(theirs.as_fd(), &Reply::Done, &[own.as_fd()]),
                Err(fault) => wire::send(theirs.as_fd(), &Reply::Failed(fault), &[]),
            };
            sys::exit(0)
        }
        sys::Side::Parent(_) => {
            drop(theirs);
            match wire::receive::<Reply>(ours.as_fd()).step(step)? {
                Some((Reply::Done, mut with)) if with.len() == 1 => Ok(with.remove(0)),
                Some((Reply::Failed(fault), _)) => Err(fault),
                _ => Err(Fault::new(step, &io::Error::other("it was ended"))),
            }
        }
    }
}

/// What the helper has ready.
#[derive(Debug)]
struct Helper {
    plan: RootPlan,
    ready: Result<OwnedFd, Fault>,
    filters: Result<FilterSet, Fault>,
    spare: Vec<Network>,
    /// Those of sessions that have ended, not looked at yet.
    returned: Vec<Network>,
    /// Those of sessions, and the session's first process.
    used: Vec<(Network, OwnedFd)>,
}

impl Helper {
    /// Waits until the server speaks; takes back what ended sessions had meanwhile. Looking at a
    /// network costs a tenth of a session's start, so it is for when nobody waits.
    fn wait(&mut self, socket: &OwnedFd) -> bool {
        loop {
            let mut waits = vec![PollFd::new(socket, PollFlags::IN)];
            waits.extend(self.used.iter().map(|(_, pidfd)| PollFd::new(pidfd, PollFlags::IN)));
            let at_once = (!self.returned.is_empty()).then_some(&NO_TIME);
            let count = match rustix::event::poll(&mut waits, at_once) {
                Ok(count) => count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(_) => return false,
            };
            let fired: Vec<_> = waits.iter().map(|wait| !wait.revents().is_empty()).collect();
            for place in (0..self.used.len()).rev().filter(|place| fired[place + 1]) {
                self.returned.push(self.used.swap_remove(place).0);
            }
            if fired[0] {
                return true;
            }
            if count == 0 {
                let cleared = self.clear();
                self.spare.extend(cleared);
            }
        }
    }

    /// Looks at one network that came back: it is as new, or it is given up.
    fn clear(&mut self) -> Option<Network> {
        let network = self.returned.pop()?;
        (self.spare.len() < SPARE_NETWORKS && network.is_pristine()).then_some(network)
    }

    /// A network namespace that nobody is in. A session that gets none makes its own and tells
    /// what it lacks.
    fn network(&mut self) -> Option<Network> {
        if let Some(network) = self.spare.pop() {
            return Some(network);
        }
        while !self.returned.is_empty() {
            if let Some(network) = self.clear() {
                return Some(network);
            }
        }
        Network::new().ok()
    }

    fn start(&mut self, request: &OpenRequest, session: &OwnedFd) -> Result<(), Fault> {
        let has_network = !request.without.contains(&Layer::Network);
        let network = if has_network { self.network() } else { None };
        let Self { plan, ready, filters, used, .. } = self;
        let template = ready.as_ref().map_err(Clone::clone)?;
        // The child's; made before there is one, which must not come back from here.
        let socket = session.try_clone().step("keeping the session's socket")?;
        match sys::clone(libc::CLONE_NEWPID).step("creating the session's processes")? {
            sys::Side::Parent(child) => {
                used.extend(network.map(|network| (network, child.pidfd)));
                Ok(())
            }
            sys::Side::Child => {
                let network = network.map(Network::into_namespace);
                // A session holds on to nothing of another.
                let mut keep = vec![socket.as_fd(), template.as_fd()];
                keep.extend(network.as_ref().map(OwnedFd::as_fd));
                sys::close_all_but(&keep);
                let filters = std::mem::replace(filters, Ok(FilterSet::default()));
                keeper::main(request, Foundation { socket, template, plan, network, filters })
            }
        }
    }
}

const NO_TIME: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
