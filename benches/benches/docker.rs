//! What containers cost: from nothing to the exit of `true`, beside the engine's own client.
//!
//! All contenders take turns in one loop and their 10th and 50th percentiles are printed: on a busy
//! machine only what was measured side by side compares. Ours hold with everything on: limits read
//! back from the kernel, output passed on, verdict and usage told.
//!
//! Needs a Docker engine with the image of the sandbox's tests, which they make.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use std::{
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

use matrix_architect_core::{
    id::SessionId,
    traits::{Cancel, Command, Limits, Output, OutputStream, Sandbox as _, Session, SessionSpec},
};
use matrix_architect_sandbox::{
    docker::{DockerConfig, DockerSandbox},
    workspace::DirTree,
};
use tokio::runtime::Runtime;

const IMAGE: &str = "architect-sandbox-test:1";
const ROUNDS: usize = 20;
/// Long enough for the next container to be made, as it is while a real command runs.
const PAUSE: Duration = Duration::from_millis(1500);

/// What `docker run` takes for the same hardening, without the reading back.
const HARDENED: &[&str] = &[
    "--network=none",
    "--read-only",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
    "--user=65534:65534",
    "--memory=256m",
    "--memory-swap=256m",
    "--pids-limit=64",
    "--log-driver=none",
    "--tmpfs=/tmp:rw,nosuid,nodev,size=64m",
];

fn client(words: &[&str]) -> bool {
    let mut process = Process::new("docker");
    process.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    process.status().is_ok_and(|status| status.success())
}

struct Ours {
    runtime: Runtime,
    sandbox: DockerSandbox,
    tree: DirTree,
    _directory: tempfile::TempDir,
}

impl Ours {
    fn new(warm: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("hello.txt"), "hello").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let config = DockerConfig::new(IMAGE).warm(warm);
        let sandbox = runtime.block_on(DockerSandbox::connect(config)).unwrap();
        let tree = DirTree::open(directory.path()).unwrap();
        Self { runtime, sandbox, tree, _directory: directory }
    }

    fn open(&self) -> Box<dyn Session> {
        let mut spec = SessionSpec::new(SessionId::from_number(1));
        spec.limits = Limits::default().disk(64 << 20).memory(256 << 20).processes(64);
        self.runtime.block_on(self.sandbox.open(&self.tree, &spec)).unwrap()
    }

    fn run(&self, session: &dyn Session, output: &mut dyn Output, line: &[&str]) {
        let (command, cancel) = (Command::new(line.iter().copied()), Cancel::new());
        let run = session.run(&command, output, &cancel);
        assert!(self.runtime.block_on(run).unwrap().verdict.is_success());
    }

    fn close(&self, session: Box<dyn Session>) {
        self.runtime.block_on(session.close()).unwrap();
    }
}

const TRUE: &[&str] = &["/usr/bin/true"];

struct Times(&'static str, Vec<Duration>);

impl Times {
    fn time<T>(&mut self, body: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let made = body();
        self.1.push(started.elapsed());
        made
    }

    #[expect(clippy::print_stdout, reason = "the table is what this bench is for")]
    fn print(mut self) {
        self.1.sort_unstable();
        let at = |percent: usize| self.1[self.1.len() * percent / 100].as_secs_f64() * 1000.0;
        println!("{:<44} {:>8.1} ms {:>8.1} ms", self.0, at(10), at(50));
    }
}

fn in_turn() {
    let cold = Ours::new(0);
    let warm = Ours::new(1);
    let kept = cold.open();
    let holder = ["run", "--detach", "--rm", "--name=architect-bench-kept", IMAGE, "sleep", "600"];
    assert!(client(&holder));
    let names = [
        "docker run --rm, plain",
        "docker run --rm, hardened",
        "docker exec in a kept container",
        "ours, cold: open, run, close",
        "ours, ready: open, run",
        "ours, run in an open session",
        "ours, the next command at once",
    ];
    let mut times = names.map(|name| Times(name, Vec::with_capacity(ROUNDS)));
    let hardened = [&["run", "--rm"], HARDENED, &[IMAGE], TRUE].concat();
    warm.close(warm.open());
    for _ in 0..ROUNDS {
        let [plain, hard, exec, all, ready, open, next] = &mut times;
        assert!(plain.time(|| client(&["run", "--rm", IMAGE, TRUE[0]])));
        assert!(hard.time(|| client(&hardened)));
        assert!(exec.time(|| client(&["exec", "architect-bench-kept", TRUE[0]])));
        all.time(|| {
            let session = cold.open();
            cold.run(&*session, &mut Vec::new(), TRUE);
            cold.close(session);
        });
        std::thread::sleep(PAUSE);
        let session = ready.time(|| {
            let session = warm.open();
            warm.run(&*session, &mut Vec::new(), TRUE);
            session
        });
        warm.close(session);
        std::thread::sleep(PAUSE);
        open.time(|| cold.run(&*kept, &mut Vec::new(), TRUE));
        next.time(|| cold.run(&*kept, &mut Vec::new(), TRUE));
    }
    assert!(client(&["rm", "--force", "architect-bench-kept"]));
    cold.close(kept);
    times.into_iter().for_each(Times::print);
}

/// Counts and forgets.
struct Counted(u64);

impl Output for Counted {
    fn write(&mut self, _stream: OutputStream, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}

#[expect(clippy::print_stdout, reason = "the figure is what this bench is for")]
fn flood() {
    let ours = Ours::new(0);
    let session = ours.open();
    let mut times = Times("1 GiB of output", Vec::new());
    let line = ["head", "-c", "1G", "/dev/zero"];
    times.time(|| ours.run(&*session, &mut Counted(0), &line));
    println!("{:.0} MiB/s of output", 1024.0 / times.1[0].as_secs_f64());
    ours.close(session);
}

fn main() {
    // Of all that criterion's benches take, only the filter that runs none is known here.
    if std::env::args().any(|word| word == "--test" || word == "--list") {
        return;
    }
    in_turn();
    flood();
}
