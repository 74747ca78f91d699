//! Those that the sandbox is measured beside, as far as they are here.

use std::{
    cell::{Cell, RefCell},
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command as Process, Stdio},
};

use serde_json::{Value, json};

use crate::{containers::Image, root::Root};

/// The peers; what is missing was named when they were looked for.
pub(crate) struct Peers {
    pub(crate) program: PathBuf,
    pub(crate) bwrap: bool,
    pub(crate) nsjail: Option<PathBuf>,
    pub(crate) hakoniwa: Option<PathBuf>,
    pub(crate) runc: Option<Bundle>,
    pub(crate) crun: Option<Crun>,
    pub(crate) image: Option<Image>,
}

impl Peers {
    /// Tries each once.
    pub(crate) fn look(root: &Root) -> Self {
        let program = root.program();
        let peers = Self {
            bwrap: bwrap(&program),
            nsjail: Some(named("ARCHITECT_BENCH_NSJAIL", "nsjail"))
                .filter(|nsjail| self::nsjail(nsjail, &program)),
            hakoniwa: Some(named("ARCHITECT_BENCH_HAKONIWA", "hakoniwa"))
                .filter(|hakoniwa| self::hakoniwa(hakoniwa, &program)),
            runc: Some(Bundle::new(root)).filter(Bundle::runc),
            crun: Crun::new(root),
            image: Image::new(root),
            program,
        };
        let here = [
            ("bwrap", peers.bwrap),
            ("nsjail, in the path or by ARCHITECT_BENCH_NSJAIL", peers.nsjail.is_some()),
            ("hakoniwa, in the path or by ARCHITECT_BENCH_HAKONIWA", peers.hakoniwa.is_some()),
            ("runc", peers.runc.is_some()),
            ("crun", peers.crun.is_some()),
            ("a Docker engine and its client", peers.image.is_some()),
        ];
        for (name, _) in here.iter().filter(|(_, here)| !here) {
            println!("MISSING: {name}: cannot be run here, so it is not compared");
        }
        peers
    }
}

pub(crate) fn succeeds(program: impl AsRef<OsStr>, arguments: &[&str]) -> bool {
    let mut process = Process::new(program);
    process.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    process.status().is_ok_and(|status| status.success())
}

pub(crate) fn bwrap(program: &Path) -> bool {
    succeeds("bwrap", &["--unshare-all", "--ro-bind", "/", "/", program.to_str().unwrap()])
}

#[expect(clippy::disallowed_methods, reason = "a bench is told by the environment where peers are")]
fn named(variable: &str, otherwise: &str) -> PathBuf {
    std::env::var(variable).unwrap_or_else(|_| otherwise.to_owned()).into()
}

/// All namespaces over a read-only root, as by default.
pub(crate) fn nsjail(nsjail: &Path, program: &Path) -> bool {
    let program = program.to_str().unwrap();
    succeeds(nsjail, &["-Mo", "-Q", "--chroot", "/", "--", program])
}

/// All namespaces over a read-only root, its own filter and limits as by default.
pub(crate) fn hakoniwa(hakoniwa: &Path, program: &Path) -> bool {
    let (folder, name) = (program.parent().unwrap(), program.file_name().unwrap());
    let shown = format!("{}:/opt", folder.display());
    let inside = Path::new("/opt").join(name);
    let rest = ["--bindmount-ro", &shown, "--", inside.to_str().unwrap()];
    succeeds(hakoniwa, &[&["run", "--unshare-all"], &rest[..]].concat())
}

/// What an OCI runtime takes, on disk.
pub(crate) struct Bundle {
    folder: tempfile::TempDir,
    count: Cell<u32>,
}

impl Bundle {
    fn new(root: &Root) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&root.tree()).to_string();
        fs::write(folder.path().join("config.json"), settings).unwrap();
        Self { folder, count: Cell::new(0) }
    }

    fn path(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    /// A name that no other container has.
    fn name(&self) -> String {
        self.count.set(self.count.get() + 1);
        format!("architect-bench-{}-{}", std::process::id(), self.count.get())
    }

    pub(crate) fn runc(&self) -> bool {
        succeeds("runc", &["run", "--bundle", self.path(), &self.name()])
    }
}

/// The hardening that Docker's client is asked for too, but for the filter of system calls.
fn settings(root: &Path) -> Value {
    let mount = |target: &str, kind: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    let namespaces = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 65534, "gid": 65534 },
            "args": ["/usr/bin/true"],
            "env": ["PATH=/usr/bin"],
            "cwd": "/",
            "noNewPrivileges": true,
            "capabilities": { "bounding": [], "effective": [], "permitted": [] },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
        },
        "root": { "path": root, "readonly": true },
        "hostname": "bench",
        "mounts": [
            mount("/proc", "proc", &[]),
            mount("/dev", "tmpfs", &["nosuid", "mode=755", "size=65536k"]),
            mount("/tmp", "tmpfs", &["nosuid", "nodev", "size=64m"]),
        ],
        "linux": {
            "namespaces": namespaces.map(|kind| json!({ "type": kind })),
            "resources": {
                "memory": { "limit": 256 << 20, "swap": 256 << 20 },
                "pids": { "limit": 64 },
            },
        },
    })
}

/// crun refuses machines that have both versions of cgroups, so it runs where version 2 alone can
/// be seen, and makes none: a shell in a mount namespace of its own starts it, once for each line.
pub(crate) struct Crun {
    bundle: Bundle,
    shell: Child,
    ends: RefCell<(ChildStdin, BufReader<ChildStdout>)>,
}

const CRUN: &str = "mount -t cgroup2 none /sys/fs/cgroup || exit 1
    while read -r name; do
        crun --cgroup-manager=disabled run --bundle \"$1\" \"$name\" </dev/null >/dev/null 2>&1
        echo $?
    done";

impl Crun {
    fn new(root: &Root) -> Option<Self> {
        let bundle = Bundle::new(root);
        let mut shell = Process::new("unshare");
        shell.args(["--mount", "--propagation", "private", "sh", "-c", CRUN, "sh", bundle.path()]);
        shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut shell = shell.spawn().ok()?;
        let output = BufReader::new(shell.stdout.take().unwrap());
        let ends = RefCell::new((shell.stdin.take().unwrap(), output));
        let crun = Self { bundle, shell, ends };
        crun.run().then_some(crun)
    }

    pub(crate) fn run(&self) -> bool {
        let (input, output) = &mut *self.ends.borrow_mut();
        let mut answer = String::new();
        writeln!(input, "{}", self.bundle.name()).is_ok()
            && output.read_line(&mut answer).is_ok()
            && answer == "0\n"
    }
}

impl Drop for Crun {
    fn drop(&mut self) {
        // Between two lines it has no child.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
