//! Real attempts to get out of a container, each a few words of Python that either succeed or are
//! stopped. Where that does no harm, the same words are also run beside the sandbox, where they
//! must succeed: an attempt that fails everywhere proves nothing.
#![cfg(target_arch = "x86_64")]

use std::{
    collections::BTreeMap,
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener},
    },
    process::{Child, Command as Process, Stdio},
};

use matrix_architect_core::{
    conformance::files::Files,
    id::SessionId,
    traits::{Cancel, Command, ExitVerdict, Limits, Sandbox as _, SessionSpec},
};
use rustix::fs::{Mode, OFlags};

use super::ground::Ground;

/// Who beside the sandbox can do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Anybody,
    Root,
    /// Not tried: it would do harm, or depends on the machine.
    Untried,
}
use Control::{Anybody, Root, Untried};

/// Name, who can do it outside, and how it is done: whatever raises was stopped. Not among them:
/// `/proc/1`, which is the container's own shell, `/sys/fs/cgroup`, which shows the container's own
/// bounds to runtimes that look for them, and terminals, of which there is none.
const ATTEMPTS: &[(&str, Control, &str)] = &[
    ("host's loopback", Anybody, "socket.create_connection(('127.0.0.1', PORT), 2)"),
    ("metadata service", Untried, "socket.create_connection(('169.254.169.254', 80), 1)"),
    ("engine's bridge", Untried, "socket.create_connection(('172.17.0.1', 22), 1)"),
    ("names", Untried, "socket.getaddrinfo('example.com', 80)"),
    ("abstract socket", Anybody, "socket.socket(1, 1).connect('\\0' + ABSTRACT)"),
    ("path socket", Anybody, "socket.socket(1, 1).connect(SOCKET)"),
    ("engine's socket", Root, "socket.socket(1, 1).connect('/var/run/docker.sock')"),
    ("host's file", Anybody, "open(SECRET).read()"),
    ("host's home", Root, "os.listdir('/root') or stop()"),
    ("engine's files", Root, "os.listdir('/var/lib')"),
    ("host's process", Anybody, "os.stat('/proc/%d' % VICTIM)"),
    ("signal to the host", Anybody, "os.kill(VICTIM, 0)"),
    ("ptrace of the host", Anybody, "call(101, 16, VICTIM, 0, 0)"),
    ("ptrace of itself", Anybody, "call(101, 0, 0, 0, 0)"),
    ("another's memory", Untried, "call(310, os.getppid(), 0, 0, 0, 0, 0)"),
    ("another's descriptor", Untried, "call(438, os.pidfd_open(os.getppid()), 0, 0)"),
    ("inherited descriptor", Anybody, "any(real(fd) for fd in range(3, 1024)) or stop()"),
    ("environment", Anybody, "os.environ['CARGO_PKG_NAME']"),
    ("write to /usr", Untried, "open('/usr/planted', 'w')"),
    ("write to /", Untried, "open('/planted', 'w')"),
    ("write to /etc", Untried, "open('/etc/passwd', 'a')"),
    ("write to /var", Untried, "os.mkdir('/var')"),
    ("write to /run", Untried, "open('/run/planted', 'w')"),
    ("write to /sys", Untried, "open('/sys/kernel/mm/ksm/run', 'w')"),
    ("write to a cgroup", Root, "open(CGROUP, 'w')"),
    ("release agent", Untried, "open('/sys/fs/cgroup/memory/release_agent', 'w')"),
    ("chmod of a program", Untried, "os.chmod('/usr/bin/env', 0o755)"),
    ("vsock", Untried, "socket.socket(40, 1)"),
    ("crypto socket", Untried, "socket.socket(38, 5)"),
    ("packet socket", Root, "socket.socket(17, 3, 0x300)"),
    ("raw socket", Root, "socket.socket(2, 3, 1)"),
    ("audit netlink", Root, "socket.socket(16, 3, 9)"),
    ("kernel's netlink", Anybody, "socket.socket(16, 3, 15)"),
    ("a family in high bits", Anybody, "call(41, (1 << 32) | 16, 3, 15)"),
    ("pair of another family", Untried, "call(53, 30, 1, 0, ctypes.create_string_buffer(8))"),
    ("io_uring", Untried, "call(425, 4, ctypes.create_string_buffer(120))"),
    ("keyring", Anybody, "call(250, 0, -3, 1)"),
    ("add_key", Anybody, "call(248, b'user', b'architect', b'x', 1, -1)"),
    ("bpf", Root, "call(321, 0, struct.pack('IIIIQQQQQ', 2, 4, 4, 1, 0, 0, 0, 0, 0), 48)"),
    ("perf", Untried, "call(298, ctypes.create_string_buffer(b'\\1', 112), 0, -1, -1, 0)"),
    ("userfaultfd", Root, "call(323, 0)"),
    ("mount", Untried, "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)"),
    ("bind mount", Untried, "call(165, b'/tmp', b'/usr', 0, 4096, 0)"),
    ("remount", Untried, "call(165, 0, b'/', 0, 4096 | 32, 0)"),
    ("umount", Untried, "call(166, b'/proc', 2)"),
    ("pivot_root", Untried, "call(155, b'/tmp', b'/tmp')"),
    ("open_tree", Root, "call(428, -100, b'/usr', 1)"),
    ("fsopen", Root, "call(430, b'tmpfs', 0)"),
    ("chroot", Root, "os.chroot('/usr')"),
    ("user namespace", Anybody, "call(272, 0x10000000)"),
    ("mount namespace", Root, "call(272, 0x20000)"),
    ("network namespace", Root, "call(272, 0x40000000)"),
    ("time namespace", Root, "call(272, 0x80)"),
    ("clone into namespaces", Root, "call(56, 0x20000011, 0, 0, 0, 0) or os._exit(0)"),
    (
        "clone3",
        Untried,
        "call(435, struct.pack('QQQQQQQQ', 0, 0, 0, 0, 17, 0, 0, 0), 64) or os._exit(0)",
    ),
    ("setns", Root, "call(308, os.open('/proc/self/ns/mnt', 0), 0)"),
    ("controlling terminal", Untried, "open('/dev/tty')"),
    ("personality", Anybody, "call(135, 0x0400000)"),
    ("kcmp", Anybody, "call(312, os.getpid(), os.getpid(), 0, 0, 0)"),
    // CVE-2014-9357 and "shocker": by a handle of the host's root out of the container.
    ("file handle", Root, "handle()"),
    ("kernel log", Root, "call(103, 3, ctypes.create_string_buffer(64), 64)"),
    ("kernel symbols", Anybody, "open('/proc/kallsyms').read(8) or stop()"),
    ("kernel memory", Untried, "open('/proc/kcore', 'rb').read(1) or stop()"),
    ("kernel keys", Untried, "open('/proc/keys').read(1) or stop()"),
    ("kexec", Untried, "call(246, 0, 0, 0, 0)"),
    ("kernel module", Untried, "call(175, b'', 0, b'')"),
    ("reboot", Untried, "call(169, 0xfee1dead, 672274793, 0, 0)"),
    ("magic keys", Untried, "open('/proc/sysrq-trigger', 'w')"),
    ("swapoff", Untried, "call(168, b'/nonexistent')"),
    ("clock", Untried, "time.clock_settime(0, time.time())"),
    ("host name", Untried, "socket.sethostname('owned')"),
    ("sysctl", Untried, "open('/proc/sys/kernel/core_pattern', 'w')"),
    ("own uid map", Untried, "os.write(os.open('/proc/self/uid_map', 1), b'0 0 1')"),
    ("becoming root", Root, "os.setuid(0)"),
    ("another group", Root, "os.setgroups([0])"),
    ("device node", Untried, "os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))"),
    ("disk", Untried, "open('/dev/vda', 'rb')"),
    ("kvm", Untried, "open('/dev/kvm', 'rb')"),
    ("fuse", Untried, "open('/dev/fuse', 'rb')"),
    ("kernel messages", Untried, "open('/dev/kmsg', 'rb')"),
    // CVE-2019-5736: the engine's own program, seen through a process that it starts.
    ("runtime's program", Untried, "open('/proc/1/exe', 'r+b')"),
    // CVE-2024-21626: a directory of the host's that the runtime forgot to close.
    (
        "leaked directory",
        Untried,
        "any(os.listdir('/proc/self/fd/%d' % fd) for fd in range(3, 32) if real(fd)) or stop()",
    ),
    ("a higher limit", Untried, "call(302, 0, 7, struct.pack('QQ', 1 << 19, 1 << 19), 0)"),
    ("x32 entry", Untried, "call(0x40000000 + 39)"),
    ("i386 entry", Untried, "i386()"),
    ("future calls", Untried, "call(500)"),
];

/// Runs each attempt that it reads in a process of its own and tells how that ended.
const DRIVER: &str = r"
import ctypes, fcntl, mmap, os, socket, struct, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def stop():
    raise OSError('stopped')
def call(*arguments):
    libc.syscall.restype = ctypes.c_long
    typed = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    answer = libc.syscall(*typed)
    if answer < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return answer
def real(fd):
    try:
        return os.fstat(fd) and True
    except OSError:
        return False
def handle():
    # Too small a buffer is answered with the size, by a kernel that would give it.
    try:
        call(303, -100, b'/usr', ctypes.create_string_buffer(8), ctypes.create_string_buffer(8), 0)
    except OSError as error:
        if error.errno != 75:
            raise
def i386():
    code = mmap.mmap(-1, 4096, prot=7)
    code.write(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')
    address = ctypes.addressof(ctypes.c_char.from_buffer(code))
    ctypes.CFUNCTYPE(ctypes.c_int)(address)()
for line in sys.stdin:
    name, attempt = line.rstrip('\n').split('\t')
    sys.stdout.flush()
    child = os.fork()
    if not child:
        status = 1
        try:
            eval(attempt)
            status = 0
        except (OSError, KeyError) as error:
            status = 42
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(name, status, sep='\t')
";

/// How an attempt ends that was stopped: by an error, or by the filter.
const STOPPED: [i32; 2] = [42, -31];

/// The world that attempts are aimed at.
#[derive(Debug)]
struct World {
    ground: Ground,
    victim: Child,
    names: String,
    _listeners: (TcpListener, UnixListener, UnixListener),
    _descriptor: std::os::fd::OwnedFd,
    _directory: tempfile::TempDir,
}

impl World {
    fn new(ground: Ground) -> Self {
        // Without close-on-exec, as a careless library would leave it.
        let descriptor = rustix::fs::open(ground.secret(), OFlags::RDONLY, Mode::empty()).unwrap();
        let descriptor = rustix::io::fcntl_dupfd_cloexec(&descriptor, 700).unwrap();
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty()).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let path = UnixListener::bind(&socket).unwrap();
        let victim = Process::new("sleep").arg("600").spawn().unwrap();
        let name = format!("architect-docker-{}", victim.id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let abstract_socket = UnixListener::bind_addr(&address).unwrap();
        let groups = ["/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/cgroup.procs"];
        let group = groups.into_iter().find(|path| std::path::Path::new(path).exists());
        let names = format!(
            "PORT = {}\nABSTRACT = {name:?}\nSOCKET = '{}'\nSECRET = '{}'\nVICTIM = {}\n\
             CGROUP = '{}'\n",
            tcp.local_addr().unwrap().port(),
            socket.display(),
            ground.secret().display(),
            victim.id(),
            group.unwrap_or_default(),
        );
        Self {
            ground,
            victim,
            names,
            _listeners: (tcp, path, abstract_socket),
            _descriptor: descriptor,
            _directory: directory,
        }
    }

    fn program(&self) -> String {
        format!("{}{DRIVER}", self.names)
    }

    /// How each attempt ended in a session.
    async fn inside(&self) -> BTreeMap<String, i32> {
        let mut spec = SessionSpec::new(SessionId::from_number(1));
        spec.limits = Limits::default().memory(256 << 20).disk(64 << 20).processes(64);
        spec.limits.open_files = 1024;
        let session = self.ground.sandbox.open(&Files::default(), &spec).await.unwrap();
        let mut command = Command::new(["python3", "-c", &self.program()]);
        command.stdin = lines(ATTEMPTS.iter()).into();
        let mut output = Vec::new();
        let exit = session.run(&command, &mut output, &Cancel::new()).await.unwrap();
        let told = String::from_utf8_lossy(&output).into_owned();
        assert_eq!(exit.verdict, ExitVerdict::Exited(0), "{told}");
        session.close().await.unwrap();
        parsed(&told)
    }

    /// How each attempt that can be made outside ended there.
    fn outside(&self) -> BTreeMap<String, i32> {
        let root = rustix::process::geteuid().is_root();
        let tried = ATTEMPTS
            .iter()
            .filter(|(_, control, _)| *control == Anybody || (*control == Root && root));
        let input = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut &input, lines(tried).as_bytes()).unwrap();
        std::io::Seek::rewind(&mut &input).unwrap();
        let output = Process::new("/usr/bin/python3")
            .args(["-c", &self.program()])
            .env("CARGO_PKG_NAME", "matrix-architect-sandbox")
            .stdin(Stdio::from(input))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        parsed(&String::from_utf8_lossy(&output.stdout))
    }
}

fn lines<'a>(attempts: impl Iterator<Item = &'a (&'a str, Control, &'a str)>) -> String {
    attempts.flat_map(|(name, _, attempt)| [name, "\t", attempt, "\n"]).collect()
}

fn parsed(told: &str) -> BTreeMap<String, i32> {
    let lines = told.lines().filter_map(|line| line.split_once('\t'));
    lines.map(|(name, status)| (name.to_owned(), status.parse().unwrap())).collect()
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

#[tokio::test]
async fn every_attempt_is_stopped_inside_and_succeeds_outside() {
    let Some(ground) = Ground::here().await else { return };
    let world = World::new(ground);
    let inside = world.inside().await;
    assert_eq!(inside.len(), ATTEMPTS.len(), "each has a name of its own, and was made");
    let open: Vec<_> = inside.iter().filter(|(_, status)| !STOPPED.contains(status)).collect();
    assert!(open.is_empty(), "not stopped inside: {open:?}");
    let outside = world.outside();
    assert!(outside.len() >= 10);
    let stopped: Vec<_> = outside.iter().filter(|(_, status)| **status != 0).collect();
    assert!(stopped.is_empty(), "prove nothing, as they fail outside, too: {stopped:?}");
}

#[tokio::test]
async fn what_tests_need_works_inside() {
    let Some(ground) = Ground::here().await else { return };
    let world = World::new(ground);
    let spec = SessionSpec::new(SessionId::from_number(1));
    let session = world.ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let needed = r"
import multiprocessing, os, socket, subprocess, tempfile, threading
listen = socket.create_server(('127.0.0.1', 0))
socket.create_connection(listen.getsockname()).close()
assert socket.getaddrinfo('localhost', 80)
assert [name for _, name in socket.if_nameindex()] == ['lo']
one, other = socket.socketpair(); one.send(b'x')
thread = threading.Thread(target=print); thread.start(); thread.join()
pool = multiprocessing.Pool(2); assert pool.map(abs, [-1]) == [1]; pool.close()
subprocess.run(['sh', '-c', 'exit 0'], check=True)
tempfile.NamedTemporaryFile().write(b'x')
open(os.path.expanduser('~/.cache'), 'w').write('x'); open('/dev/null', 'w').write('x')
assert os.urandom(8) and open('/dev/urandom', 'rb').read(1)
open('made', 'w'); os.link('/workspace/made', '/workspace/linked')
os.mkdir('d'); os.rename('made', 'd/made')
import signal; signal.alarm(0); os.kill(os.getpid(), 0); assert os.getppid() > 0
open('/dev/stdout', 'w').write('x')
for _ in range(200):
    subprocess.Popen(['sh', '-c', 'sleep 0 &']).wait()
";
    let mut output = Vec::new();
    let command = Command::new(["python3", "-c", needed]);
    let exit = session.run(&command, &mut output, &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "{}", String::from_utf8_lossy(&output));
    session.close().await.unwrap();
}
