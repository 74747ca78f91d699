//! What isolation costs, beside bubblewrap and beside no isolation at all: the rows of the targets'
//! first section, each as a ratio.
//!
//! All contenders run the same program, static and with nothing in it but its exit. Where latency is
//! compared they take turns in one loop, and where throughput is, in short blocks; on a busy
//! machine only what was measured side by side compares. The sandbox's figures hold with everything
//! on: namespaces, landlock, seccomp, cgroups where the machine lets us make some, output pumped,
//! verdict and usage told, and, when cold, the session opened, closed and gone.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on stops")]
#![expect(clippy::print_stdout, reason = "the tables are what this bench is for")]

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use matrix_architect_core::{
    id::SessionId,
    traits::{
        Bind, Cancel, Command, ExitVerdict, Limits, Output, OutputStream, Sandbox as _, Session,
        SessionSpec,
    },
};
use matrix_architect_sandbox::{
    native::{NativeConfig, NativeSandbox, Toolchains},
    workspace::DirTree,
};
use tokio::runtime::Runtime;

const ROUNDS: usize = 200;
/// How long two workers run before it is the next contender's turn, and how often.
const BLOCK: Duration = Duration::from_secs(3);
const BLOCKS: usize = 3;

/// A program that ends, made by the C compiler that Rust needs anyway.
struct Nothing {
    folder: tempfile::TempDir,
}

impl Nothing {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let source = folder.path().join("true.c");
        std::fs::write(&source, "#include <unistd.h>\nint main(void) { _exit(0); }\n").unwrap();
        let compiler = ["-O2", "-static", "-s", "-o"];
        let mut gcc = Process::new("gcc");
        let status = gcc.args(compiler).arg(folder.path().join("true")).arg(&source).status();
        assert!(status.unwrap().success(), "gcc made no static program");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("true")
    }
}

struct Native {
    runtime: Runtime,
    sandbox: NativeSandbox,
    tree: DirTree,
    program: String,
}

impl Native {
    fn new(nothing: &Nothing, folder: &Path, warm: usize) -> Self {
        let mut toolchains = Toolchains::default();
        let bind = Bind { source: nothing.folder.path().into(), target: "/opt/nothing".into() };
        toolchains.binds.push(bind);
        let config = NativeConfig::default().toolchains(toolchains).warm_sessions(warm);
        Self::with(NativeSandbox::new(config).unwrap(), folder)
    }

    fn with(sandbox: NativeSandbox, folder: &Path) -> Self {
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            sandbox,
            tree: DirTree::open(folder).unwrap(),
            program: "/opt/nothing/true".to_owned(),
        }
    }

    fn open(&self) -> Box<dyn Session> {
        let mut spec = SessionSpec::new(SessionId::from_number(1));
        spec.limits = Limits::default().disk(64 << 20).memory(256 << 20).processes(1024);
        self.runtime.block_on(self.sandbox.open(&self.tree, &spec)).unwrap()
    }

    fn run(&self, session: &dyn Session) {
        let command = Command::new([&self.program]);
        let (mut output, cancel) = (Vec::new(), Cancel::new());
        let run = session.run(&command, &mut output, &cancel);
        assert!(self.runtime.block_on(run).unwrap().verdict.is_success());
    }

    fn close(&self, session: Box<dyn Session>) {
        self.runtime.block_on(session.close()).unwrap();
    }

    fn whole(&self) {
        let session = self.open();
        self.run(&*session);
        self.close(session);
    }

    /// From asking to the exit, of a session that stood by; its end and the next one's start are
    /// not counted.
    fn adopted(&self) -> Duration {
        let started = Instant::now();
        let session = self.open();
        self.run(&*session);
        let took = started.elapsed();
        self.close(session);
        std::thread::sleep(Duration::from_millis(3));
        took
    }
}

fn succeeds(program: &Path, arguments: &[&str]) -> bool {
    let mut process = Process::new(program);
    process.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    process.status().is_ok_and(|status| status.success())
}

fn bwrap(program: &Path) -> bool {
    let program = program.to_str().unwrap();
    succeeds(Path::new("bwrap"), &["--unshare-all", "--ro-bind", "/", "/", program])
}

fn timed(work: impl Fn()) -> impl Fn() -> Duration {
    move || {
        let started = Instant::now();
        work();
        started.elapsed()
    }
}

/// All contenders in turn, so that whatever else the machine does hits them alike.
fn latency(native: &Native, warm: &Native, program: &Path) {
    let session = native.open();
    let plain = timed(|| assert!(succeeds(program, &[])));
    let wrapped = timed(|| assert!(bwrap(program)));
    let cold = timed(|| native.whole());
    let adopted = || warm.adopted();
    let in_session = timed(|| native.run(&*session));
    let contenders: [(&str, &dyn Fn() -> Duration); 5] = [
        ("plain exec", &plain),
        ("bwrap --unshare-all", &wrapped),
        ("native, cold: open, run, close", &cold),
        ("native, warm: adopt, run", &adopted),
        ("native, run in an open session", &in_session),
    ];
    let mut times = vec![Vec::with_capacity(ROUNDS); contenders.len()];
    for _ in 0..ROUNDS {
        for ((_, contender), times) in contenders.iter().zip(&mut times) {
            times.push(contender());
        }
    }
    let at = |times: &[Duration], percent: usize| {
        times[times.len() * percent / 100].as_secs_f64() * 1000.0
    };
    for own in &mut times {
        own.sort_unstable();
    }
    println!("\n{:<32}     p10  median      of bwrap      of plain", "start to exit");
    for ((name, _), own) in contenders.iter().zip(&times) {
        let (low, middle) = (at(own, 10), at(own, 50));
        let of = |peer: usize| (low / at(&times[peer], 10), middle / at(&times[peer], 50));
        let ((bwrap_low, bwrap_middle), (plain_low, plain_middle)) = (of(1), of(0));
        println!(
            "{name:<32} {low:>5.2}   {middle:>5.2} ms  {bwrap_low:.2} / {bwrap_middle:.2}   \
             {plain_low:.2} / {plain_middle:.2}"
        );
    }
    drop(in_session);
    native.close(session);
}

/// How often two workers get through in a second.
fn by_two(work: impl Fn() + Sync) -> f64 {
    let started = Instant::now();
    let count = || {
        let mut count = 0_u32;
        while started.elapsed() < BLOCK {
            work();
            count += 1;
        }
        count
    };
    let total = std::thread::scope(|scope| {
        let workers = [scope.spawn(count), scope.spawn(count)];
        workers.into_iter().map(|worker| worker.join().unwrap()).sum::<u32>()
    });
    f64::from(total) / started.elapsed().as_secs_f64()
}

fn sustained(sandbox: &NativeSandbox, folder: &Path, program: &Path) {
    thread_local! {
        static OWN: std::cell::OnceCell<(Native, Box<dyn Session>)> = const { std::cell::OnceCell::new() };
    }
    let own = |work: &dyn Fn(&Native, &dyn Session)| {
        OWN.with(|own| {
            let (native, session) = own.get_or_init(|| {
                let native = Native::with(sandbox.clone(), folder);
                let session = native.open();
                (native, session)
            });
            work(native, &**session);
        });
    };
    let mut rates = [0.0; 4];
    for _ in 0..BLOCKS {
        rates[0] += by_two(|| assert!(succeeds(program, &[])));
        rates[1] += by_two(|| assert!(bwrap(program)));
        rates[2] += by_two(|| own(&|native, _| native.whole()));
        rates[3] += by_two(|| own(&|native, session| native.run(session)));
    }
    println!("\n{:<32} runs/s  of bwrap", "two workers, 3 blocks of 3 s");
    let names = ["plain exec", "bwrap", "native, a session for each", "native, in open sessions"];
    for (name, rate) in names.iter().zip(rates) {
        println!("{name:<32} {:>6.0}  {:>6.2}", rate / 3.0, rate / rates[1]);
    }
}

/// The median of a cold start while this process holds little and while it holds much.
fn large_server(native: &Native) {
    let median = || {
        let mut times: Vec<_> = (0..ROUNDS).map(|_| timed(|| native.whole())()).collect();
        times.sort_unstable();
        times[ROUNDS / 2].as_secs_f64() * 1000.0
    };
    let small = median();
    let mut held = vec![0_u8; 4 << 30];
    held.iter_mut().step_by(4096).for_each(|page| *page = 1);
    let large = median();
    black_box(&held);
    drop(held);
    let again = median();
    println!(
        "\ncold start while the server holds 4 GiB: {large:.2} ms, before {small:.2} ms, after \
         {again:.2} ms; ratio {:.2}",
        large * 2.0 / (small + again)
    );
}

#[derive(Debug, Default)]
struct Counted(u64);

impl Output for Counted {
    fn write(&mut self, _stream: OutputStream, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}

/// The most memory this process had at once, in KiB, since it was last reset.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn flood(native: &Native) {
    let session = native.open();
    let mut command = Command::shell("exec head -c 10G /dev/zero");
    command.limits = Some(Limits::default().disk(64 << 20).output(1 << 20));
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, started, mut counted) = (peak(), Instant::now(), Counted::default());
    let cancel = Cancel::new();
    let exit = native.runtime.block_on(session.run(&command, &mut counted, &cancel)).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(exit.output.stdout, 10 << 30);
    let grown = peak() - before;
    println!("\n10 GiB of output: {seconds:.1} s, memory grew by {grown} KiB, the cap is 1024 KiB");
    native.close(session);
}

/// From the end of a command's time to the end of its 500 processes, each twice forked away.
fn timeouts(native: &Native) {
    let session = native.open();
    let tree = "for i in $(seq 250); do (setsid sh -c 'sleep 1000' &) ; done; sleep 1000";
    let mut times: Vec<_> = (0..25)
        .map(|_| {
            let mut command = Command::shell(tree);
            let wall = Duration::from_secs(4);
            command.limits = Some(Limits::default().disk(64 << 20).processes(1024).wall(wall));
            let (cancel, mut output) = (Cancel::new(), Vec::new());
            let run = session.run(&command, &mut output, &cancel);
            let exit = native.runtime.block_on(run).unwrap();
            assert_eq!(exit.verdict, ExitVerdict::TimedOut);
            exit.usage.wall.saturating_sub(wall)
        })
        .collect();
    times.sort_unstable();
    let at = |place: usize| times[place].as_secs_f64() * 1000.0;
    println!(
        "\n250 daemons dead after a timeout: median {:.1} ms, p90 {:.1} ms, worst of 25 {:.1} ms",
        at(12),
        at(22),
        at(24)
    );
    native.close(session);
}

fn start_to_exit(criterion: &mut Criterion) {
    let (nothing, folder) = (Nothing::new(), tempfile::tempdir().unwrap());
    std::fs::write(folder.path().join("hello.txt"), "hello").unwrap();
    let native = Native::new(&nothing, folder.path(), 0);
    let program = nothing.path();
    if bwrap(&program) {
        latency(&native, &Native::new(&nothing, folder.path(), 1), &program);
        sustained(&native.sandbox, folder.path(), &program);
    } else {
        println!("SKIPPED: bwrap cannot be run here, so there is no peer");
    }
    large_server(&native);
    flood(&native);
    timeouts(&native);
    let mut group = criterion.benchmark_group("sandbox");
    group.sample_size(30).measurement_time(Duration::from_secs(3));
    group.bench_function("native_cold", |bencher| bencher.iter(|| native.whole()));
    let session = native.open();
    group.bench_function("native_in_an_open_session", |bencher| {
        bencher.iter(|| native.run(&*session));
    });
    group.finish();
    native.close(session);
}

criterion_group!(benches, start_to_exit);
criterion_main!(benches);
