//! Who a process is: privileged or not, and how it becomes somebody with less.

use std::{io, os::fd::AsFd};

use rustix::{
    fs::{Mode, OFlags},
    process::DumpableBehavior,
    thread::CapabilitySet,
};

use super::{
    fault::{Fault, Step as _},
    sys,
};

/// Whether this process may create namespaces, become other users and give them files as it is.
pub(crate) fn is_privileged() -> bool {
    let needed = CapabilitySet::SYS_ADMIN
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE;
    rustix::process::geteuid().is_root()
        && rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(needed))
}

/// Whether this process is in the first user namespace, which has all users there are.
pub(super) fn is_in_first_users() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// Maps one user and group of this process's new user namespace, as only it may.
pub(super) fn map_identity(
    directory: impl AsFd,
    own: &str,
    inside: u32,
    user: u32,
    group: u32,
) -> Result<(), Fault> {
    let write = |file: &str, text: String| -> io::Result<()> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(directory.as_fd(), format!("{own}/{file}"), flags, Mode::empty())?;
        rustix::io::write(&file, text.as_bytes())?;
        Ok(())
    };
    write("setgroups", "deny".to_owned()).step("fixing the groups of a user namespace")?;
    write("uid_map", format!("{inside} {user} 1")).step("mapping the user of a user namespace")?;
    write("gid_map", format!("{inside} {group} 1")).step("mapping the group of a user namespace")
}

/// Becomes the commands' user for good, without any capability.
pub(super) fn become_owner(user: Option<u32>) -> Result<(), Fault> {
    become_owner_with_capabilities(user)?;
    sys::drop_capabilities().step("giving up capabilities")?;
    rustix::thread::set_no_new_privs(true).step("renouncing new privileges")
}

/// Becomes the commands' user; only root can and need.
pub(super) fn become_owner_with_capabilities(user: Option<u32>) -> Result<(), Fault> {
    if let Some(id) = user {
        sys::become_user(id).step("becoming the command's user")?;
        // Changing the user hid this process's files in /proc from itself.
        rustix::process::set_dumpable_behavior(DumpableBehavior::Dumpable)
            .step("becoming the command's user")?;
    }
    Ok(())
}
