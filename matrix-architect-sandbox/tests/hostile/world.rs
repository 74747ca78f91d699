//! What attempts are aimed at: secrets, processes, sockets and memory of the host.

use std::{
    fs,
    net::TcpListener,
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt as _,
        unix::{
            fs::PermissionsExt as _,
            net::{SocketAddr, UnixListener},
        },
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::fs::{Mode, OFlags};

pub(crate) const SECRET: &str = "the host's secret";

/// By what a host's process can be told by its command line.
const MARK: &str = "architect-31536000";

/// Where the leaked descriptors are: of the secret and of its directory.
const LEAKED: [i32; 2] = [700, 701];

#[derive(Debug)]
pub(crate) struct World {
    directory: tempfile::TempDir,
    victim: Child,
    watcher: Child,
    port: u16,
    _memory: Segment,
    _listeners: (TcpListener, UnixListener, UnixListener),
    _descriptors: [OwnedFd; 2],
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Only the sandbox keeps anybody from it.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let secret = directory.path().join("secret");
        fs::write(&secret, SECRET).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        // They end with their input, and that with us, however we end.
        let waiting = || {
            let mut shell = Command::new("/bin/sh");
            shell.args(["-c", "read end", MARK]).env("TOKEN", "secret").stdin(Stdio::piped());
            shell.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let (victim, watcher) = (waiting(), waiting());
        let name = SocketAddr::from_abstract_name(name_of(&victim)).unwrap();
        let listeners = (
            tcp,
            UnixListener::bind(directory.path().join("socket")).unwrap(),
            UnixListener::bind_addr(&name).unwrap(),
        );
        Self {
            port: listeners.0.local_addr().unwrap().port(),
            _memory: Segment::new(victim.id(), &name_of(&victim)),
            _descriptors: [leaked(&secret, LEAKED[0]), leaked(directory.path(), LEAKED[1])],
            _listeners: listeners,
            directory,
            victim,
            watcher,
        }
    }

    pub(crate) fn secret(&self) -> PathBuf {
        self.directory.path().join("secret")
    }

    /// The names that attempts use, as Python; of processes, those that one inside would aim at,
    /// or their like outside.
    pub(crate) fn aims(&self, is_inside: bool) -> String {
        let (victim, name) = (self.victim.id(), name_of(&self.victim));
        let own = |outside: u32| if is_inside { 1 } else { outside };
        let disk = fs::read_dir("/sys/block").into_iter().flatten().flatten();
        let disk = disk.map(|disk| disk.file_name().display().to_string());
        let disk = disk.filter(|name| !name.starts_with("loop")).max().unwrap_or_default();
        let groups = ["/sys/fs/cgroup/memory", "/sys/fs/cgroup"];
        let group = groups.into_iter().find(|path| Path::new(path).join("cgroup.procs").exists());
        let server = quoted(&std::env::current_exe().unwrap());
        format!(
            "PORT = {port}\nVICTIM = {victim}\nABSTRACT = SHARED = {name:?}\nSEGMENT = {victim}\n\
             QUEUE = {name:?}.encode()\nSOCKET = {socket}\nSECRET = {secret}\n\
             RUNTIME = {runtime}\nWATCHER = {watcher}\nDISK = '/dev/{disk}'\nCGROUP = {group:?}\n\
             HOST = {host:?}\nSERVER = {server}\nPROGRAM = '/usr/bin/env'\n",
            port = self.port,
            socket = quoted(&self.directory.path().join("socket")),
            secret = quoted(&self.secret()),
            runtime = own(victim),
            watcher = own(self.watcher.id()),
            group = group.unwrap_or_default(),
            host = rustix::system::uname().nodename().to_string_lossy(),
        )
    }
}

/// As Python reads it.
fn quoted(path: &Path) -> String {
    format!("{:?}", path.to_str().unwrap())
}

impl Drop for World {
    fn drop(&mut self) {
        for child in [&mut self.victim, &mut self.watcher] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn name_of(victim: &Child) -> String {
    format!("architect-{}", victim.id())
}

/// Opened without close-on-exec, as a careless library would.
fn leaked(path: &Path, number: i32) -> OwnedFd {
    let descriptor = rustix::fs::open(path, OFlags::RDONLY, Mode::empty()).unwrap();
    let descriptor = rustix::io::fcntl_dupfd_cloexec(&descriptor, number).unwrap();
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty()).unwrap();
    descriptor
}

/// Shared memory by number and by name, and a message queue, which everybody may use. Python makes them, and
/// removes them when its input ends.
#[derive(Debug)]
struct Segment(Child);

const SEGMENT: &str = "
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
key, name = int(sys.argv[1]), sys.argv[2].encode()
segment = libc.syscall(29, key, 4096, 0o1666)
queue = libc.syscall(240, name, 0o102, 0o666, 0)
assert segment >= 0 and queue >= 0, ctypes.get_errno()
libc.syscall(91, queue, 0o666)
shared = '/dev/shm/' + sys.argv[2]
open(shared, 'w').write('secret')
print('made', flush=True)
sys.stdin.read()
os.unlink(shared)
libc.syscall(31, segment, 0, None)
libc.syscall(241, name)
";

impl Segment {
    fn new(key: u32, name: &str) -> Self {
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-I", "-c", SEGMENT, &key.to_string(), name]);
        let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut made = [0; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut made).unwrap();
        Self(child)
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}
