//! How a session comes to stand: its root, and the namespaces that all its commands share.

use std::{
    cell::Cell,
    os::fd::{AsFd as _, OwnedFd},
};

use super::{
    fault::{Fault, Step as _},
    keeper::Foundation,
    network,
    root::{self, Scratch},
    sys,
    wire::{Layer, OpenRequest},
};

/// Takes a copy of the template, or, for what has no place in it, builds a root of its own.
pub(super) fn stand(
    request: &OpenRequest,
    foundation: &Foundation<'_>,
) -> Result<(Scratch, OwnedFd), Fault> {
    let (within, beside): (Vec<_>, Vec<_>) =
        request.binds.iter().cloned().partition(|bind| root::is_writable(&bind.target));
    if !request.binds.is_empty() {
        // Host paths are taken from a copy of the host's mounts, which is ours to take from.
        sys::unshare(libc::CLONE_NEWNS).step("creating the session's mount namespace")?;
    }
    let mut taken = Vec::with_capacity(within.len());
    for bind in within {
        taken.push((root::take(&bind)?, bind.target));
    }
    if beside.is_empty() {
        sys::enter(foundation.template.as_fd(), libc::CLONE_NEWNS)
            .step("entering the root of all sessions")?;
        sys::unshare(libc::CLONE_NEWNS).step("creating the session's mount namespace")?;
    } else {
        let mut plan = foundation.plan.clone();
        plan.binds.extend(beside);
        root::build(&plan)?;
    }
    root::complete(request.disk, request.user, &taken)
}

/// Enters namespaces that are the session's. Those of processes and mounts are there already. Says
/// whether what outlives processes in its ipc namespace is bounded.
pub(super) fn enter_namespaces(
    proc: &OwnedFd,
    network: Option<&OwnedFd>,
    without: &mut Vec<Layer>,
    lacking: &mut Vec<(Layer, Fault)>,
) -> bool {
    let is_bounded = Cell::new(false);
    let mut enter = |layer, enter: &dyn Fn() -> Result<(), Fault>| {
        if !without.contains(&layer)
            && let Err(fault) = enter()
        {
            without.push(layer);
            lacking.push((layer, fault));
        }
    };
    enter(Layer::Network, &|| match network {
        Some(network) => {
            sys::enter(network.as_fd(), libc::CLONE_NEWNET).step("entering a network namespace")
        }
        None => network::create(),
    });
    enter(Layer::Ipc, &|| {
        sys::unshare(libc::CLONE_NEWIPC).step("creating an ipc namespace")?;
        is_bounded.set(root::bound_ipc(proc));
        Ok(())
    });
    enter(Layer::HostName, &|| {
        sys::unshare(libc::CLONE_NEWUTS).step("creating a uts namespace")?;
        rustix::system::sethostname(b"sandbox").step("setting the host name")
    });
    is_bounded.get()
}
