//! Pid 1 of a command: it enters what is the command's alone, starts it, reaps what is orphaned,
//! and ends with it, at which the kernel ends everything left in the pid namespace.

use std::io;

use rustix::process::{WaitId, WaitIdOptions};

use super::{
    command,
    fault::{Fault, Step as _},
    root,
    seat::Given,
    supervise, sys,
    wire::{Ended, Layer},
};

/// Layers that did not hold; fatal unless only the proof of them was asked for.
#[derive(Debug)]
pub(super) struct Layers<'a> {
    without: &'a [Layer],
    proving: bool,
    pub(super) lacking: Vec<(Layer, Fault)>,
}

impl Layers<'_> {
    /// Enters a layer unless the session does without it.
    pub(super) fn enter<T>(
        &mut self,
        layer: Layer,
        enter: impl FnOnce() -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        if self.without.contains(&layer) {
            return Ok(None);
        }
        match enter() {
            Ok(entered) => Ok(Some(entered)),
            Err(fault) if self.proving => {
                self.lacking.push((layer, fault));
                Ok(None)
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Lives as pid 1 of the command's pid namespace.
pub(super) fn main(given: &Given<'_>) -> ! {
    let outcome = live(given);
    let _ = supervise::report(given.answer, &outcome);
    sys::exit(0)
}

fn live(given: &Given<'_>) -> Result<Ended, Fault> {
    for members in given.cgroups {
        rustix::io::pwrite(members, b"0", 0).step("joining the command's cgroup")?;
    }
    let mut layers = Layers {
        without: &given.confinement.without,
        proving: given.request.proving,
        lacking: Vec::new(),
    };
    layers.enter(Layer::CgroupView, || {
        sys::unshare(libc::CLONE_NEWCGROUP).step("creating a cgroup namespace")
    })?;
    layers.enter(Layer::Proc, || root::cover_proc(given.confinement.user))?;
    let status = reap_until(command::start(given, &mut layers)?)?;
    // Where no cgroup tells that a fork was refused, what is left of the tree does.
    let most_processes = if given.request.counting { 1 + others() } else { 0 };
    let used = sys::used_by_children();
    Ok(Ended {
        status: Some(status),
        most_processes,
        alone: is_alone(),
        user_micros: used.user_micros,
        system_micros: used.system_micros,
        peak_memory: used.max_rss,
        ..Ended::default()
    })
}

/// Whether nothing else lives in this pid namespace: all orphans are children of its pid 1.
fn is_alone() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    matches!(rustix::process::waitid(WaitId::All, options), Err(rustix::io::Errno::CHILD))
}

/// How many processes there are in the command's `/proc` beside this one.
fn others() -> u32 {
    let numbered = |entry: io::Result<std::fs::DirEntry>| {
        let name = entry.ok()?.file_name();
        name.as_encoded_bytes().first().filter(|byte| byte.is_ascii_digit()).copied()
    };
    let count =
        std::fs::read_dir("/proc").map_or(0, |entries| entries.filter_map(numbered).count());
    u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX)
}

fn reap_until(pid: libc::pid_t) -> Result<i32, Fault> {
    loop {
        let reaped = sys::wait(-1).step("waiting for the command")?;
        if reaped.pid == pid {
            return Ok(reaped.status);
        }
    }
}
