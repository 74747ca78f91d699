//! Real attempts to get out, each a few lines of Python that either succeed or are stopped. Where
//! that does no harm, the same lines are also run beside the sandbox, where they must succeed: an
//! attempt that fails everywhere proves nothing.
#![cfg(target_arch = "x86_64")]

use std::{
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
    traits::{
        Cancel, Collect, Command, Exit, ExitVerdict, Limits, Sandbox as _, Session, SessionSpec,
    },
};
use rustix::fs::{Mode, OFlags};

use super::{alone::skip, ground::Ground};

/// Who beside the sandbox can do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Control {
    Anybody,
    Root,
    /// Not tried: it would do harm, or depends on the kernel's configuration.
    Untried,
}
use Control::{Anybody, Root, Untried};

/// Name, who can do it outside, and how it is done: whatever raises was stopped.
const ATTEMPTS: &[(&str, Control, &str)] = &[
    ("host's loopback", Anybody, "socket.create_connection(('127.0.0.1', PORT), 2)"),
    ("metadata service", Untried, "socket.create_connection(('169.254.169.254', 80), 1)"),
    ("abstract socket", Anybody, "socket.socket(1, 1).connect('\\0' + ABSTRACT)"),
    ("path socket", Anybody, "socket.socket(1, 1).connect(SOCKET)"),
    ("docker's socket", Untried, "os.stat('/var/run/docker.sock')"),
    ("host's file", Anybody, "open(SECRET).read()"),
    ("host's home", Root, "os.listdir(HOME) or stop()"),
    ("host's process", Anybody, "os.stat('/proc/%d' % VICTIM)"),
    ("signal to the host", Anybody, "os.kill(VICTIM, 0)"),
    ("ptrace of the host", Anybody, "call(101, 16, VICTIM, 0, 0)"),
    ("inherited descriptor", Anybody, "any(real(fd) for fd in range(3, 1024)) or stop()"),
    ("environment", Anybody, "os.environ['CARGO_PKG_NAME']"),
    ("environment of pid 1", Untried, "b'=' in open('/proc/1/environ', 'rb').read() or stop()"),
    ("memory of pid 1", Untried, "open('/proc/1/mem', 'rb')"),
    ("root of pid 1", Untried, "os.listdir('/proc/1/root')"),
    ("write to /usr", Untried, "open('/usr/planted', 'w')"),
    ("write to /", Untried, "open('/planted', 'w')"),
    ("write to /etc", Untried, "open('/etc/passwd', 'a')"),
    ("chmod of a program", Untried, "os.chmod('/usr/bin/env', 0o755)"),
    ("vsock", Untried, "socket.socket(40, 1)"),
    ("crypto socket", Untried, "socket.socket(38, 5)"),
    ("packet socket", Root, "socket.socket(17, 3, 0x300)"),
    ("raw socket", Root, "socket.socket(2, 3, 1)"),
    ("audit netlink", Root, "socket.socket(16, 3, 9)"),
    ("SCTP", Anybody, "filtered(2, 1, 132)"),
    ("SCTP by its type", Anybody, "filtered(10, 5, 0)"),
    ("DCCP", Anybody, "filtered(10, 6, 0)"),
    ("L2TP", Anybody, "filtered(2, 2, 115)"),
    ("SMC", Anybody, "filtered(2, 1, 256)"),
    ("real-time scheduling", Root, "os.sched_setscheduler(0, 1, os.sched_param(1))"),
    ("large shared segment", Anybody, "call(31, call(29, 0, 1 << 30, 0o1600), 0, 0)"),
    ("io_uring", Untried, "call(425, 4, ctypes.create_string_buffer(120))"),
    ("keyring", Anybody, "call(250, 0, -3, 1)"),
    ("add_key", Anybody, "call(248, b'user', b'architect', b'x', 1, -1)"),
    ("bpf", Root, "call(321, 0, struct.pack('IIIIQQQQQ', 2, 4, 4, 1, 0, 0, 0, 0, 0), 48)"),
    ("perf", Untried, "call(298, ctypes.create_string_buffer(b'\\1', 112), 0, -1, -1, 0)"),
    ("userfaultfd", Root, "call(323, 0)"),
    ("mount", Untried, "call(165, b'none', b'/tmp', b'tmpfs', 0, 0)"),
    ("bind mount", Untried, "call(165, b'/tmp', b'/usr', 0, 4096, 0)"),
    ("remount", Untried, "call(165, 0, b'/usr', 0, 4096 | 32, 0)"),
    ("umount", Untried, "call(166, b'/proc', 2)"),
    ("pivot_root", Untried, "call(155, b'/tmp', b'/tmp')"),
    ("open_tree", Root, "call(428, -100, b'/usr', 1)"),
    ("fsopen", Root, "call(430, b'tmpfs', 0)"),
    ("chroot", Root, "os.chroot('/usr')"),
    ("user namespace", Anybody, "call(272, 0x10000000)"),
    ("mount namespace", Root, "call(272, 0x20000)"),
    ("network namespace", Root, "call(272, 0x40000000)"),
    ("clone into namespaces", Root, "call(56, 0x20000011, 0, 0, 0, 0) or os._exit(0)"),
    (
        "clone3",
        Untried,
        "call(435, struct.pack('QQQQQQQQ', 0, 0, 0, 0, 17, 0, 0, 0), 64) or os._exit(0)",
    ),
    ("setns", Root, "call(308, os.open('/proc/self/ns/mnt', 0), 0)"),
    ("typing into a terminal", Anybody, "terminal(0x5412)"),
    ("console selection", Anybody, "terminal(0x541c)"),
    ("controlling terminal", Untried, "open('/dev/tty')"),
    ("personality", Anybody, "call(135, 0x0400000)"),
    ("kcmp", Anybody, "call(312, os.getpid(), os.getpid(), 0, 0, 0)"),
    ("file handle", Root, "handle()"),
    ("kernel log", Root, "call(103, 3, ctypes.create_string_buffer(64), 64)"),
    ("kernel symbols", Anybody, "open('/proc/kallsyms').read(8) or stop()"),
    ("kexec", Untried, "call(246, 0, 0, 0, 0)"),
    ("kernel module", Untried, "call(175, b'', 0, b'')"),
    ("reboot", Untried, "call(169, 0xfee1dead, 672274793, 0, 0)"),
    ("swapoff", Untried, "call(168, b'/nonexistent')"),
    ("clock", Untried, "time.clock_settime(0, time.time())"),
    ("host name", Untried, "socket.sethostname('owned')"),
    ("sysctl", Untried, "open('/proc/sys/kernel/core_pattern', 'w')"),
    ("own uid map", Untried, "open('/proc/self/uid_map', 'w').write('0 0 1')"),
    ("becoming root", Root, "os.setuid(0)"),
    ("another group", Root, "os.setgroups([0])"),
    ("device node", Untried, "os.mknod('/tmp/disk', 0o60600, os.makedev(254, 0))"),
    ("disk", Untried, "open('/dev/vda', 'rb')"),
    ("kvm", Untried, "open('/dev/kvm', 'rb')"),
    ("fuse", Untried, "open('/dev/fuse', 'rb')"),
    ("kernel messages", Untried, "open('/dev/kmsg', 'rb')"),
    ("cgroups", Untried, "os.listdir('/sys/fs/cgroup')"),
    ("a higher limit", Untried, "call(302, 0, 7, struct.pack('QQ', 1 << 19, 1 << 19), 0)"),
    ("x32 entry", Untried, "call(0x40000000 + 39)"),
    ("i386 entry", Untried, "i386()"),
    ("future calls", Untried, "call(500)"),
];

/// What attempts are written in.
const PRELUDE: &str = r"
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
def terminal(request):
    # Standard input is no terminal: a request that arrives at all says so.
    try:
        fcntl.ioctl(0, request, b'\0')
    except OSError as error:
        if error.errno != 25:
            raise
def filtered(*socket_kind):
    # Whether the kernel has the module at all is not the question.
    try:
        socket.socket(*socket_kind)
    except OSError as error:
        if error.errno == 1:
            raise
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
try:
    eval(sys.argv[1])
except (OSError, KeyError) as error:
    print('stopped:', error)
    sys.exit(42)
print('open')
";

const STOPPED: i32 = 42;
/// How a filter ends a process.
const SIGSYS: i32 = 31;

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
    fn new() -> Self {
        let secret = tempfile::NamedTempFile::new().unwrap();
        // Without close-on-exec, as a careless library would leave it.
        let descriptor = rustix::fs::open(secret.path(), OFlags::RDONLY, Mode::empty()).unwrap();
        let descriptor = rustix::io::fcntl_dupfd_cloexec(&descriptor, 700).unwrap();
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::empty()).unwrap();
        let ground = Ground::with_cgroups();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let path = UnixListener::bind(&socket).unwrap();
        let victim = Process::new("sleep").arg("600").spawn().unwrap();
        let name = format!("architect-{}", victim.id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let abstract_socket = UnixListener::bind_addr(&address).unwrap();
        let home = "/root";
        let names = format!(
            "PORT = {}\nABSTRACT = {name:?}\nSOCKET = '{}'\nSECRET = '{}'\nVICTIM = {}\n\
             HOME = {:?}\n",
            tcp.local_addr().unwrap().port(),
            socket.display(),
            ground.secret().display(),
            victim.id(),
            home,
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
        format!("{}{PRELUDE}", self.names)
    }

    async fn inside(&self, session: &dyn Session, attempt: &str) -> (Exit, String) {
        let mut output = Vec::new();
        let command = Command::new(["/usr/bin/python3", "-c", &self.program(), attempt]);
        let exit = session.run(&command, &mut output, &Cancel::new()).await.unwrap();
        (exit, String::from_utf8_lossy(&output).into_owned())
    }

    fn outside(&self, attempt: &str) -> (Option<i32>, String) {
        let output = Process::new("/usr/bin/python3")
            .args(["-c", &self.program(), attempt])
            .env("CARGO_PKG_NAME", "matrix-architect-sandbox")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let told = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&told).into_owned())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}

fn spec() -> SessionSpec {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = Limits::default().memory(256 << 20).disk(64 << 20).processes(64);
    spec.limits.open_files = 1024;
    spec
}

#[tokio::test]
async fn every_attempt_is_stopped_inside_and_succeeds_outside() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return skip("/usr/bin/python3 is not installed");
    }
    let world = World::new();
    let session = world.ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
    let (exit, told) = world.inside(&*session, "os.getpid()").await;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "nothing would be stopped: {told}");
    let root = rustix::process::geteuid().is_root();
    let mut wrong = Vec::new();
    for (name, control, attempt) in ATTEMPTS {
        let (exit, told) = world.inside(&*session, attempt).await;
        if !matches!(exit.verdict, ExitVerdict::Exited(STOPPED) | ExitVerdict::Signalled(SIGSYS)) {
            wrong.push(format!("{name} inside: {:?} {told}", exit.verdict));
        }
        if *control == Anybody || (*control == Root && root) {
            let (code, told) = world.outside(attempt);
            if code != Some(0) {
                wrong.push(format!("{name} outside: {code:?} {told}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    session.close().await.unwrap();
}

#[tokio::test]
async fn what_tests_need_works_inside() {
    if !std::path::Path::new("/usr/bin/python3").exists() {
        return skip("/usr/bin/python3 is not installed");
    }
    let world = World::new();
    let session = world.ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
    let needed = [
        "listen = socket.create_server(('127.0.0.1', 0)); \
         socket.create_connection(listen.getsockname()).close()",
        "listen = socket.create_server(('::1', 0), family=socket.AF_INET6)",
        "assert socket.getaddrinfo('localhost', 80)",
        "assert [name for _, name in socket.if_nameindex()] == ['lo']",
        "one, other = socket.socketpair(); one.send(b'x')",
        "import threading; t = threading.Thread(target=print); t.start(); t.join()",
        "import multiprocessing as m; p = m.Pool(2); assert p.map(abs, [-1]) == [1]; p.close()",
        "import subprocess; subprocess.run(['sh', '-c', 'exit 0'], check=True)",
        "import tempfile; tempfile.NamedTemporaryFile().write(b'x')",
        "import getpass; assert getpass.getuser() == 'sandbox'; os.getlogin",
        "open(os.path.expanduser('~/.cache'), 'w').write('x'); open('/dev/null', 'w').write('x')",
        "assert os.urandom(8) and open('/dev/urandom', 'rb').read(1)",
        "os.link('/workspace/made', '/workspace/linked') if open('made', 'w') else 0; \
         os.mkdir('d'); os.rename('made', 'd/made')",
        "import ssl, zoneinfo, sqlite3; assert ssl.create_default_context().get_ca_certs() is not None",
        "import signal; signal.alarm(0); os.kill(os.getpid(), 0); assert os.getppid() > 0",
        "sys.stdout.flush(); open('/dev/stdout', 'w').write('x')",
        "call(101, 0, 0, 0, 0)",
    ];
    for body in needed {
        let attempt = format!("exec({body:?})");
        let (exit, told) = world.inside(&*session, &attempt).await;
        assert_eq!(exit.verdict, ExitVerdict::Exited(0), "{body}: {told}");
    }
    session.close().await.unwrap();
}

#[tokio::test]
async fn links_do_not_lead_the_collector_out() {
    let ground = Ground::with_cgroups();
    let session = ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
    let line = Command::shell(
        "ln -s / root && ln -s /etc dist && mkdir a && ln -s ../.. a/up && ln -s / a/all && \
         ln -s /proc/self/fd/0 fd && touch real && mkfifo pipe && \
         printf 'x' > 'new
line' && chmod 4755 real",
    );
    let exit = session.run(&line, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert_eq!(exit.verdict, ExitVerdict::Exited(0));
    let what =
        Collect::new(["dist/passwd", "root/etc/*", "a/**", "fd", "pipe", "real", "../*", "/etc/*"]);
    let archive = session.collect(&what).await.unwrap().collect(1 << 20).await.unwrap();
    let mut entries = tar::Archive::new(&archive[..]);
    let found: Vec<_> = entries
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.path().unwrap().into_owned(), entry.header().mode().unwrap())
        })
        .collect();
    assert_eq!(found, [("real".into(), 0o755)], "no link that leaves, no set-uid bit");
    session.close().await.unwrap();
}
