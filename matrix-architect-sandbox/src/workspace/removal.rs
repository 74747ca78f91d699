//! Removing a folder with all it holds, however deep a command made it: with two folders open at a
//! time and nothing on the stack for a level.

use std::{
    ffi::{CStr, CString},
    io,
    os::fd::{AsFd, AsRawFd as _, OwnedFd},
    path::Path,
};

use rustix::{
    fs::{AtFlags, CWD, Dir, Mode, OFlags},
    io::Errno,
};

/// Removes a folder and everything below it; links are removed, never followed.
///
/// What lies two levels deep is first moved to where it lies one level deep, so that each pass over
/// the folder takes one level away.
pub(super) fn remove_tree(folder: &Path) -> io::Result<()> {
    let top = open(CWD, folder)?;
    let mut moved = 0_u64;
    loop {
        let names = names(&top)?;
        if names.is_empty() {
            break;
        }
        for name in names {
            if !remove_file(&top, &name)? {
                empty(&top, &name, &mut moved)?;
                rustix::fs::unlinkat(&top, &name, AtFlags::REMOVEDIR)?;
            }
        }
    }
    Ok(rustix::fs::rmdir(folder)?)
}

/// Removes what is no folder, and says whether it was none.
fn remove_file(folder: &OwnedFd, name: &CStr) -> io::Result<bool> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        // POSIX has the one answer for folders, Linux the other.
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(cause) => Err(cause.into()),
    }
}

/// Removes the files of a folder and moves its folders up to `top`.
fn empty(top: &OwnedFd, name: &CStr, moved: &mut u64) -> io::Result<()> {
    let folder = open(top, name)?;
    for name in names(&folder)? {
        if !remove_file(&folder, &name)? {
            move_up(&folder, &name, top, moved)?;
        }
    }
    Ok(())
}

fn move_up(folder: &OwnedFd, name: &CStr, top: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    let mut is_opened = false;
    loop {
        *moved += 1;
        match rustix::fs::renameat(folder, name, top, format!("moved-{moved}")) {
            Ok(()) => return Ok(()),
            // Somebody chose the same name.
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
            // Moving a folder writes to it.
            Err(Errno::ACCESS) if !is_opened => {
                open(folder, name)?;
                is_opened = true;
            }
            Err(cause) => return Err(cause.into()),
        }
    }
}

/// Opens a folder so that it can be emptied, whatever its permissions, if it is ours.
fn open<N: rustix::path::Arg + Copy>(beside: impl AsFd, name: N) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::openat(&beside, name, flags | OFlags::PATH, Mode::empty())?;
    if rustix::fs::fstat(&found)?.st_mode & 0o700 != 0o700 {
        // Of what was opened: a name may stand for something else by now.
        let place = format!("/proc/self/fd/{}", found.as_raw_fd());
        let _ = rustix::fs::chmod(place, Mode::from_raw_mode(0o700));
    }
    Ok(rustix::fs::openat(&found, c".", flags | OFlags::RDONLY, Mode::empty())?)
}

fn names(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    /// Makes folders in one another, each with a file.
    fn dig(root: &Path, levels: usize) {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut folder = rustix::fs::open(root, flags, Mode::empty()).unwrap();
        for _ in 0..levels {
            rustix::fs::mkdirat(&folder, "deep", Mode::from_raw_mode(0o755)).unwrap();
            folder = rustix::fs::openat(&folder, "deep", flags, Mode::empty()).unwrap();
            let flags = OFlags::CREATE | OFlags::CLOEXEC;
            rustix::fs::openat(&folder, "file", flags, Mode::from_raw_mode(0o400)).unwrap();
        }
    }

    #[test]
    fn a_tree_is_removed_however_deep_and_closed_it_is() {
        let around = tempfile::tempdir().unwrap();
        let root = around.path().join("root");
        // More levels than this process may have files open: one descriptor for each would not do.
        let most = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let levels = usize::try_from(most.unwrap_or(0)).unwrap().clamp(5_000, 40_000) + 100;
        for folder in ["root/a/b", "root/moved-1", "root/closed/inner"] {
            std::fs::create_dir_all(around.path().join(folder)).unwrap();
        }
        std::fs::write(around.path().join("kept"), "text").unwrap();
        std::fs::write(root.join("moved-2"), "in the way").unwrap();
        symlink(around.path(), root.join("a/link")).unwrap();
        symlink("../../kept", root.join("closed/inner/link")).unwrap();
        dig(&root.join("a/b"), levels);
        for folder in ["closed/inner", "closed"] {
            let closed = std::fs::Permissions::from_mode(0o000);
            std::fs::set_permissions(root.join(folder), closed).unwrap();
        }
        remove_tree(&root).unwrap();
        assert!(!root.exists());
        assert_eq!(std::fs::read_to_string(around.path().join("kept")).unwrap(), "text");
        assert_eq!(remove_tree(&root).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
