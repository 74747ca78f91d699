//! What a session can write: a file system in memory, bounded in bytes and in files by the kernel. It
//! is mounted for nobody but a process that holds it, and gone with that.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    os::fd::{AsFd as _, AsRawFd as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use matrix_architect_core::error::{Error, ErrorKind, Result};

use crate::native::{inodes, is_privileged, with_streams_alone};

/// Mounts the space at `$1` with the options `$2`, copies the tree `$3` into it and then holds it until
/// nobody has the other end of its standard input any more.
const HOLD: &str = "umask 022; mount -t tmpfs -o \"$2\" sandbox \"$1\" && cd \"$1\" && \
    mkdir tree home && mkdir -m 1777 tmp shm && { [ -z \"$3\" ] || cp -a -- \"$3/.\" tree; } && \
    cd / && echo ready && exec cat";

/// A session's space.
#[derive(Debug)]
pub(super) struct Space {
    holder: Holder,
    place: PathBuf,
    root: File,
    bytes: u64,
}

impl Space {
    /// A space of so many bytes at an empty folder, with a copy of a tree, if there is one, in it.
    pub(super) fn make(place: &Path, bytes: u64, tree: Option<&Path>) -> Result<Self> {
        let mut unshare = Command::new("/usr/bin/unshare");
        if !is_privileged() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--mount", "--propagation", "private", "--", "/bin/sh", "-c", HOLD, "sh"]);
        let options = format!("mode=0755,nosuid,nodev,{}", bounds(bytes));
        unshare.arg(place).arg(options).arg(tree.unwrap_or(Path::new("")));
        unshare.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("LC_ALL", "C");
        unshare.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped());
        with_streams_alone(unshare.stderr(Stdio::piped()));
        let spawned = unshare.spawn().map_err(|cause| cannot(place, &cause.to_string()))?;
        let mut holder = Holder(spawned);
        holder.stand().map_err(|why| cannot(place, &why))?;
        // The holder sees what this process sees, and the space.
        let seen = PathBuf::from(format!("/proc/{}/root", holder.0.id()));
        let seen = seen.join(place.strip_prefix("/").unwrap_or(place));
        let root = File::open(&seen).map_err(|cause| cannot(place, &cause.to_string()))?;
        Ok(Self { holder, place: place.to_owned(), root, bytes })
    }

    /// A command over the space: what is added to it runs where the space is mounted.
    pub(super) fn entering(&self) -> Command {
        let mut enter = Command::new("/usr/bin/nsenter");
        let pid = self.holder.0.id();
        enter.arg(format!("--mount=/proc/{pid}/ns/mnt"));
        if !is_privileged() {
            enter.arg(format!("--user=/proc/{pid}/ns/user")).arg("--preserve-credentials");
        }
        enter.arg("--");
        enter
    }

    /// Where a folder of the space is for who entered it.
    pub(super) fn inside(&self, name: &str) -> PathBuf {
        self.place.join(name)
    }

    /// Where a folder of the space is for this process.
    pub(super) fn outside(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.root.as_raw_fd())).join(name)
    }

    /// Bounds the space anew.
    ///
    /// # Errors
    /// `Invalid` if it holds more already.
    pub(super) fn bound(&mut self, bytes: u64) -> Result<()> {
        if bytes == self.bytes {
            return Ok(());
        }
        let mut mount = self.entering();
        mount
            .args(["/usr/bin/mount", "-o", &format!("remount,{}", bounds(bytes))])
            .arg(&self.place);
        let ended = mount.env_clear().current_dir("/").stdin(Stdio::null()).output();
        match ended {
            Ok(ended) if ended.status.success() => {
                self.bytes = bytes;
                Ok(())
            }
            Ok(ended) => {
                let why = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
                Err(Error::invalid("the session holds more than the command's disk limit")
                    .advice("raise the command's disk limit, or empty the session first")
                    .source(why))
            }
            Err(cause) => Err(cannot(&self.place, &cause.to_string())),
        }
    }

    /// Whether next to nothing more can be written, also if what takes the room has no name any more.
    ///
    /// # Errors
    /// Whatever the kernel says.
    pub(super) fn is_full(&self) -> io::Result<bool> {
        let found = rustix::fs::fstatvfs(self.root.as_fd())?;
        Ok(found.f_bavail * found.f_frsize < 64 << 10 || found.f_ffree < 4)
    }
}

/// The options that bound a space of so many bytes.
fn bounds(bytes: u64) -> String {
    format!("size={bytes},nr_inodes={}", inodes(bytes))
}

/// The process in whose mount namespace the space is; ended with this.
#[derive(Debug)]
struct Holder(Child);

impl Holder {
    /// Waits until the space stands; an error is what was said against it.
    fn stand(&mut self) -> std::result::Result<(), String> {
        let mut said = String::new();
        if let Some(stdout) = &mut self.0.stdout {
            let _ = BufReader::new(stdout).read_line(&mut said);
        }
        if said.trim_end() == "ready" {
            return Ok(());
        }
        let mut why = String::new();
        if let Some(stderr) = &mut self.0.stderr {
            let _ = stderr.take(4096).read_to_string(&mut why);
        }
        Err(why)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn cannot(place: &Path, why: &str) -> Error {
    let error = if why.contains("No space left") {
        Error::invalid("the tree does not fit into the session's space")
            .code("too_large")
            .advice("raise the session's disk limit, or make the tree smaller")
    } else {
        Error::new(ErrorKind::Unavailable, "a session's space could not be made").advice(
            "allow user namespaces (sysctl user.max_user_namespaces, \
             kernel.apparmor_restrict_unprivileged_userns=0), or run as root",
        )
    };
    error.context("directory", place.display()).source(why.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_name_counts_and_the_kernel_holds_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join("file"), "content").unwrap();
        let mut space = Space::make(folder.path(), 8 << 20, Some(source.path())).unwrap();
        let copied = std::fs::read(space.outside("tree").join("file")).unwrap();
        assert_eq!(copied, b"content");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the host sees nothing");
        let path = space.outside("home").join("gone");
        let file = File::create(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut writer = &file;
        io::Write::write_all(&mut writer, &vec![1; 6 << 20]).unwrap();
        assert!(!space.is_full().unwrap());
        let full = io::Write::write_all(&mut writer, &vec![1; 6 << 20]).unwrap_err();
        assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
        assert!(space.is_full().unwrap());
        assert_eq!(space.bound(4 << 20).unwrap_err().kind(), ErrorKind::Invalid);
        space.bound(16 << 20).unwrap();
        assert!(!space.is_full().unwrap());
        drop((file, space));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_tree_that_does_not_fit_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let source = tempfile::tempdir().unwrap();
        std::fs::write(source.path().join("large"), vec![1; 4 << 20]).unwrap();
        let error = Space::make(folder.path(), 1 << 20, Some(source.path())).unwrap_err();
        assert_eq!(error.code_str(), "too_large", "{error}");
    }
}
