//! One deployer at a time, and never one that was overtaken.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::Path,
    time::Duration,
};

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::Fence,
};
use rustix::fs::{FlockOperation, flock};

use crate::disk;

/// The lock of a place. The kernel lets it go when the process ends, however it ends, so there is
/// nothing to unlock by hand.
#[derive(Debug)]
pub(super) struct Held(#[expect(dead_code, reason = "open as long as the lock is held")] File);

/// Takes the lock, waiting at most `patience`, and leaves the token in it.
pub(super) fn acquire(path: &Path, fence: Fence, patience: Duration) -> Result<Held> {
    let failed = |e| disk::failed(e, "the lock could not be taken", path);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(failed)?;
    wait(&file, path, patience)?;
    let highest = read_token(&file).map_err(failed)?;
    if fence.0 < highest {
        return Err(Error::new(ErrorKind::Fenced, "a later deployer has been at the target")
            .operation("systemd.lock")
            .context("path", path.display())
            .context("token", fence.0)
            .context("highest", highest));
    }
    if fence.0 > highest || highest == 0 {
        // Twenty digits in place: too small to tear, and a full disk does not stop it.
        let token = format!("{:020}\n", fence.0);
        file.write_all_at(token.as_bytes(), 0).and_then(|()| file.sync_all()).map_err(failed)?;
    }
    Ok(Held(file))
}

fn wait(file: &File, path: &Path, patience: Duration) -> Result<()> {
    const PAUSE: Duration = Duration::from_millis(50);
    let mut left = patience;
    loop {
        match flock(file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(()),
            Err(rustix::io::Errno::WOULDBLOCK) if !left.is_zero() => {
                std::thread::sleep(PAUSE.min(left));
                left = left.saturating_sub(PAUSE);
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(Error::new(
                    ErrorKind::Unavailable,
                    "another deployer is at the target",
                )
                .code("target_locked")
                .context("path", path.display())
                .advice("wait until it is done; its lock ends with its process"));
            }
            Err(error) => return Err(disk::failed(error.into(), "the lock failed", path)),
        }
    }
}

fn read_token(file: &File) -> io::Result<u64> {
    let mut digits = [0; 20];
    match file.read_exact_at(&mut digits, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
        other => other?,
    }
    let token = std::str::from_utf8(&digits).ok().and_then(|text| text.parse().ok());
    token.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no token in the lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_token_is_fenced_and_a_newer_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        drop(acquire(&path, Fence(7), Duration::ZERO).unwrap());
        assert!(acquire(&path, Fence(6), Duration::ZERO).unwrap_err().is_fenced());
        drop(acquire(&path, Fence(7), Duration::ZERO).unwrap());
        drop(acquire(&path, Fence(8), Duration::ZERO).unwrap());
        assert!(acquire(&path, Fence(7), Duration::ZERO).unwrap_err().is_fenced());
    }

    #[test]
    fn a_held_lock_is_waited_for_and_then_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".lock");
        let held = acquire(&path, Fence(1), Duration::ZERO).unwrap();
        let error = acquire(&path, Fence(2), Duration::from_millis(60)).unwrap_err();
        assert_eq!(error.code_str(), "target_locked");
        assert!(error.is_retryable());
        drop(held);
        assert!(acquire(&path, Fence(2), Duration::ZERO).is_ok());
    }
}
