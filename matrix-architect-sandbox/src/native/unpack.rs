//! Fills the tree from an archive. Runs inside the session's root as the commands' user, so that
//! the worst an archive can do is to make a mess of its own session.

use std::{
    fs::File,
    io::{self, BufReader},
    os::fd::OwnedFd,
};

use super::{fault::Fault, root::TREE, wire::Reply};

/// Unpacks a tar archive into the tree.
pub(super) fn main(archive: OwnedFd) -> Reply {
    match unpack(archive) {
        Ok(()) => Reply::Done,
        Err(cause) => Reply::Failed(fault(&cause)),
    }
}

fn unpack(archive: OwnedFd) -> io::Result<()> {
    let mut archive = tar::Archive::new(BufReader::with_capacity(256 << 10, File::from(archive)));
    archive.set_preserve_permissions(true);
    archive.set_preserve_mtime(false);
    archive.set_overwrite(true);
    archive.unpack(TREE)
}

/// The archive reader wraps the system's errors; the innermost names the cause.
fn fault(cause: &io::Error) -> Fault {
    let mut innermost: &(dyn std::error::Error + 'static) = cause;
    let mut errno = cause.raw_os_error();
    while let Some(source) = innermost.source() {
        innermost = source;
        errno = innermost.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error).or(errno);
    }
    let errno = errno.or((cause.kind() == io::ErrorKind::StorageFull).then_some(libc::ENOSPC));
    let cause_shown = cause.to_string();
    let root =
        errno.map_or_else(|| io::Error::other(cause_shown.clone()), io::Error::from_raw_os_error);
    Fault::new("unpacking the tree", &root).on(cause_shown)
}
