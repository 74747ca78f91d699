//! The server's side of the helper: starting it, asking it for sessions, ending it.

use std::{
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, process::CommandExt as _},
    },
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use matrix_architect_core::error::{Error, ErrorKind, Result};

use super::{
    hook,
    link::Link,
    owner::Owner,
    wire::{self, OpenRequest, Order, RootPlan},
};

/// How long a session may take to stand on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The helper, started anew if it was killed.
#[derive(Debug)]
pub(super) struct Launcher {
    /// What the roots of all sessions are made of.
    plan: RootPlan,
    helper: Mutex<Helper>,
}

#[derive(Debug)]
struct Helper {
    socket: OwnedFd,
    process: Child,
    owner: Owner,
}

impl Launcher {
    pub(super) fn start(plan: RootPlan) -> Result<Self> {
        let helper = Mutex::new(Helper::start(&plan)?);
        Ok(Self { plan, helper })
    }

    /// Who owns what sessions leave on the machine.
    pub(super) fn owner(&self) -> Owner {
        self.helper.lock().unwrap_or_else(PoisonError::into_inner).owner
    }

    /// Asks for a session. Whether it stands is told by the session itself.
    pub(super) fn open(&self, request: OpenRequest) -> Result<Link> {
        let failed = |cause| {
            Error::new(ErrorKind::Unavailable, "the sandbox helper could not be asked")
                .advice("check that the server may start processes of its own program")
                .source(cause)
        };
        let (ours, theirs) = wire::pair().map_err(failed)?;
        let mut helper = self.helper.lock().unwrap_or_else(PoisonError::into_inner);
        let order = Order::Open(request);
        if wire::send(helper.socket.as_fd(), &order, &[theirs.as_fd()]).is_err() {
            tracing::warn!("the sandbox helper is gone and is started again");
            *helper = Helper::start(&self.plan)?;
            wire::send(helper.socket.as_fd(), &order, &[theirs.as_fd()]).map_err(failed)?;
        }
        Ok(Link::new(ours, PATIENCE))
    }
}

impl Helper {
    fn start(plan: &RootPlan) -> Result<Self> {
        let failed = |cause| {
            Error::new(ErrorKind::Unavailable, "the sandbox helper could not be started")
                .advice("mount /proc, and check that the server may start processes")
                .source(cause)
        };
        let (socket, theirs) = wire::pair().map_err(failed)?;
        // Messages to the helper are few and small; a full socket may wait.
        rustix::io::ioctl_fionbio(&socket, false).map_err(|cause| failed(cause.into()))?;
        let process = Command::new("/proc/self/exe")
            .arg0(std::ffi::OsStr::from_bytes(hook::NAME.to_bytes()))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let owner = Owner::new(process.id())?;
        let helper = Self { socket, process, owner };
        wire::send(helper.socket.as_fd(), &Order::SetUp(plan.clone()), &[]).map_err(failed)?;
        Ok(helper)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // The end of the socket would do as well; this way it is over when the drop is.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
