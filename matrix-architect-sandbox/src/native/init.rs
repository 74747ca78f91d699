//! Pid 1 of a command: it enters what is the command's alone, starts it, reaps what is orphaned,
//! and ends with it, at which the kernel ends everything left in the pid namespace.

use std::os::fd::OwnedFd;

use super::{
    command,
    confinement::Confinement,
    fault::{Fault, Step as _},
    root, supervise, sys,
    wire::{Ended, Layer, RunRequest},
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
pub(super) fn main(
    confinement: &Confinement,
    run: &RunRequest,
    stdio: &[OwnedFd; 3],
    cgroups: &[OwnedFd],
    answer: &OwnedFd,
) -> ! {
    let outcome = live(confinement, run, stdio, cgroups, answer);
    let _ = supervise::report(answer, &outcome);
    sys::exit(0)
}

fn live(
    confinement: &Confinement,
    run: &RunRequest,
    stdio: &[OwnedFd; 3],
    cgroups: &[OwnedFd],
    answer: &OwnedFd,
) -> Result<Ended, Fault> {
    for members in cgroups {
        rustix::io::write(members, b"0").step("joining the command's cgroup")?;
    }
    let mut layers =
        Layers { without: &confinement.without, proving: run.argv.is_empty(), lacking: Vec::new() };
    layers.enter(Layer::CgroupView, || {
        sys::unshare(libc::CLONE_NEWCGROUP).step("creating a cgroup namespace")
    })?;
    let proc = layers.enter(Layer::Proc, root::fresh_proc)?;
    match sys::clone(0).step("starting the command")? {
        sys::Side::Child => command::main(confinement, run, stdio, answer, layers, proc.as_ref()),
        sys::Side::Parent(child) => {
            let status = reap_until(child.pid)?;
            // Where no cgroup tells that a fork was refused, what is left of the tree does.
            let most_processes = if run.counting { 1 + others() } else { 0 };
            Ok(Ended { status: Some(status), most_processes, ..Ended::default() })
        }
    }
}

/// How many processes there are in the command's `/proc` beside this one.
fn others() -> u32 {
    let numbered = |entry: std::io::Result<std::fs::DirEntry>| {
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
