//! The processes of one run of git.

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process_group, prlimit};
use tokio::process::Child;

/// A process group that is killed when this is dropped before it ended: git's own children, such as
/// `git-remote-https` and `ssh`, would outlive git otherwise.
#[derive(Debug)]
pub(super) struct Group(Option<Pid>);

impl Group {
    /// The group that `child` leads.
    pub(super) fn of(child: &Child) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        Self(pid.and_then(Pid::from_raw))
    }

    /// The leader was waited for: its number may be somebody else's from now on.
    pub(super) fn ended(mut self) {
        self.0 = None;
    }

    /// Lets nothing of it write a larger file. What is started later inherits it; git has not heard
    /// of the server yet.
    pub(super) fn bound(&self, bytes: u64) {
        if let Some(pid) = self.0 {
            let bound = Rlimit { current: Some(bytes), maximum: Some(bytes) };
            // It may have ended by itself.
            let _ = prlimit(Some(pid), Resource::Fsize, bound);
        }
    }

    /// Kills all of it.
    pub(super) fn kill(&self) {
        if let Some(pid) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
