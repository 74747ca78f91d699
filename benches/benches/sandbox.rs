//! What isolation costs: from nothing to the exit of `/bin/true`, beside bubblewrap and beside no
//! isolation at all.
//!
//! Before criterion's own groups, all contenders take turns in one loop and their 10th and 50th
//! percentiles are printed: on a busy machine only what was measured side by side compares.
//! The sandbox's figures hold with everything on: namespaces, landlock, seccomp, cgroups where the
//! machine lets us make some, output pumped, verdict and usage told, session closed and gone.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]

use std::{
    hint::black_box,
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use matrix_architect_core::{
    id::SessionId,
    traits::{Cancel, Command, Limits, Sandbox as _, Session, SessionSpec},
};
use matrix_architect_sandbox::{
    native::{NativeConfig, NativeSandbox},
    workspace::DirTree,
};
use tokio::runtime::Runtime;

const ROUNDS: usize = 100;

struct Native {
    runtime: Runtime,
    sandbox: NativeSandbox,
    tree: DirTree,
    _directory: tempfile::TempDir,
}

impl Native {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("hello.txt"), "hello").unwrap();
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            sandbox: NativeSandbox::new(NativeConfig::default()).unwrap(),
            tree: DirTree::open(directory.path()).unwrap(),
            _directory: directory,
        }
    }

    fn open(&self) -> Box<dyn Session> {
        let mut spec = SessionSpec::new(SessionId::from_number(1));
        spec.limits = Limits::default().disk(64 << 20).memory(256 << 20).processes(64);
        self.runtime.block_on(self.sandbox.open(&self.tree, &spec)).unwrap()
    }

    fn run(&self, session: &dyn Session) {
        let command = Command::new(["/bin/true"]);
        let (mut output, cancel) = (Vec::new(), Cancel::new());
        let run = session.run(&command, &mut output, &cancel);
        assert!(self.runtime.block_on(run).unwrap().verdict.is_success());
    }

    fn cold(&self) {
        let session = self.open();
        self.run(&*session);
        self.runtime.block_on(session.close()).unwrap();
    }
}

fn process(line: &[&str]) -> bool {
    let mut process = Process::new(line[0]);
    process.args(&line[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    process.status().is_ok_and(|status| status.success())
}

const PLAIN: &[&str] = &["/bin/true"];
const BWRAP: &[&str] = &["bwrap", "--unshare-all", "--ro-bind", "/", "/", "/bin/true"];

/// All contenders in turn, so that whatever else the machine does hits them alike.
#[expect(clippy::print_stdout, reason = "the table is what this bench is for")]
fn side_by_side(native: &Native) {
    let session = native.open();
    let open_session = || native.run(&*session);
    let cold = || native.cold();
    let plain = || assert!(process(PLAIN));
    let bwrap = || assert!(process(BWRAP));
    let mut contenders: Vec<(&str, &dyn Fn())> = vec![
        ("plain exec", &plain),
        ("native, cold: open, run, close", &cold),
        ("native, run in an open session", &open_session),
    ];
    if process(BWRAP) {
        contenders.push(("bwrap --unshare-all", &bwrap));
    }
    let mut times = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for _ in 0..ROUNDS {
        for ((_, contender), times) in contenders.iter().zip(&mut times) {
            let started = Instant::now();
            contender();
            times.push(started.elapsed());
        }
    }
    println!("{:<34} {:>10} {:>10}", "start to exit of /bin/true", "p10", "median");
    for ((name, _), times) in contenders.iter().zip(&mut times) {
        times.sort_unstable();
        let at = |percent: usize| milliseconds(times[times.len() * percent / 100]);
        println!("{name:<34} {:>7.2} ms {:>7.2} ms", at(10), at(50));
    }
    native.runtime.block_on(session.close()).unwrap();
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn start_to_exit(criterion: &mut Criterion) {
    let native = Native::new();
    side_by_side(&native);
    let mut group = criterion.benchmark_group("sandbox");
    group.sample_size(30).measurement_time(Duration::from_secs(3));
    group.bench_function("plain_exec", |bencher| bencher.iter(|| black_box(process(PLAIN))));
    group.bench_function("native_cold", |bencher| bencher.iter(|| native.cold()));
    let session = native.open();
    group.bench_function("native_in_an_open_session", |bencher| {
        bencher.iter(|| native.run(&*session));
    });
    if process(BWRAP) {
        group.bench_function("bwrap", |bencher| bencher.iter(|| black_box(process(BWRAP))));
    }
    group.finish();
}

criterion_group!(benches, start_to_exit);
criterion_main!(benches);
