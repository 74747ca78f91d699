//! Processes and files of the servers.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, getuid, kill_process, kill_process_group};

/// The user nobody, as every Linux has it.
const NOBODY: u32 = 65534;

pub(crate) fn as_root() -> bool {
    getuid().is_root()
}

/// Lets nobody own all of it, if we are root and the servers are nobody.
pub(crate) fn give_away(path: &Path) {
    if !as_root() {
        return;
    }
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).expect("root gives files away");
    if path.is_dir() && !path.is_symlink() {
        for entry in fs::read_dir(path).expect("a folder of ours") {
            give_away(&entry.expect("a folder of ours").path());
        }
    }
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

/// A secret nobody else has.
pub(crate) fn random() -> String {
    run(Command::new("openssl").args(["rand", "-hex", "16"]))
}

/// A server that listens, and is ended with its children when this is dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    pub(crate) port: u16,
}

impl Daemon {
    /// Starts what `command` makes for a free port and waits until it listens there.
    pub(crate) fn start(command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..5 {
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let port = free.expect("a free port").port();
            let mut command = command(port);
            command.process_group(0).stdin(Stdio::null()).stdout(Stdio::null());
            let child = command.spawn().expect("the server starts");
            let mut daemon = Self { child, port };
            if daemon.listens() {
                return daemon;
            }
        }
        panic!("the server does not listen");
    }

    /// Somebody may have taken the port meanwhile; then the server ends by itself.
    fn listens(&mut self) -> bool {
        let patience = Instant::now() + Duration::from_secs(30);
        while Instant::now() < patience {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) else { return };
        // First in its own way, then the rest of its group.
        let _ = kill_process(pid, Signal::TERM);
        let patience = Instant::now() + Duration::from_secs(5);
        while Instant::now() < patience && self.child.try_wait().is_ok_and(|ended| ended.is_none())
        {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = kill_process_group(pid, Signal::KILL);
        let _ = self.child.wait();
    }
}
