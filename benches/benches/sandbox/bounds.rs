//! What the native sandbox does at its bounds: a large server, much output, many processes; and what
//! it takes to look at every layer.

use std::{
    hint::black_box,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

use matrix_architect_core::traits::{Cancel, Command, ExitVerdict, Limits, Output, OutputStream};
use matrix_architect_sandbox::native::{self, NativeConfig, detect_toolchains};

use crate::{
    native::Native,
    table::{Targets, percentile},
};

/// The median of a cold start while this process holds little and while it holds much.
pub(crate) fn large_server(native: &Native, targets: &mut Targets) {
    let median = || {
        let times: Vec<_> = (0..200)
            .map(|_| {
                let started = Instant::now();
                native.whole();
                started.elapsed()
            })
            .collect();
        percentile(&times, 50)
    };
    let small = median();
    let mut held = vec![0_u8; 4 << 30];
    held.iter_mut().step_by(4096).for_each(|page| *page = 1);
    let large = median();
    black_box(&held);
    drop(held);
    let again = median();
    let ratio = large * 2.0 / (small + again);
    let words = format!("{ratio:.2} × ({large:.2} ms; {small:.2} before, {again:.2} after)");
    let name = "cold start while the server holds 4 GiB, of that with little";
    targets.at_most(name, "≤ 1.2 ×", 1.2, Some((ratio, words)));
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

pub(crate) fn flood(native: &Native, targets: &mut Targets) {
    let session = native.open();
    let mut command = Command::shell("exec head -c 10G /dev/zero");
    command.limits = Some(Limits::default().disk(64 << 20).output(1 << 20));
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (before, started, mut counted) = (peak(), Instant::now(), Counted::default());
    let cancel = Cancel::new();
    let exit = native.runtime.block_on(session.run(&command, &mut counted, &cancel)).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(exit.output.stdout, 10 << 30);
    let grown = u32::try_from(peak() - before).unwrap();
    let words = format!("+{grown} KiB, in {seconds:.1} s");
    let name = "memory for 10 GiB of output under a cap of 1 MiB";
    targets.at_most(name, "≤ cap + 1 MiB", 2048.0, Some((f64::from(grown), words)));
    native.close(session);
}

/// Starts 500 processes, each twice forked away, and says so.
const TREE: &str =
    "for i in $(seq 250); do (setsid sh -c 'sleep 1000' &) ; done; echo all; sleep 1000";

/// From the end of a command's time to the end of its 500 processes, and in turn how long the kernel takes
/// for the same in a pid namespace with nothing else to it.
pub(crate) fn timeouts(native: &Native, targets: &mut Targets) {
    let session = native.open();
    let (times, bare): (Vec<_>, Vec<_>) = (0..25)
        .map(|_| {
            let mut command = Command::shell(TREE);
            let wall = Duration::from_secs(3);
            command.limits = Some(Limits::default().disk(64 << 20).processes(1024).wall(wall));
            let (cancel, mut output) = (Cancel::new(), Vec::new());
            let run = session.run(&command, &mut output, &cancel);
            let exit = native.runtime.block_on(run).unwrap();
            assert_eq!(exit.verdict, ExitVerdict::TimedOut);
            assert_eq!(exit.output.stdout, 4, "not all had been started");
            (exit.usage.wall.saturating_sub(wall), killed_in_a_bare_namespace())
        })
        .unzip();
    let words = |times: &[Duration]| {
        let [middle, ninety, worst] = [50, 90, 99].map(|percent| percentile(times, percent));
        format!("median {middle:.0} ms, p90 {ninety:.0}, worst of 25 {worst:.0}")
    };
    let words = format!("{}; the kernel alone {}", words(&times), words(&bare));
    let name = "500 processes dead after a timeout";
    targets.at_most(name, "≤ 50 ms p99", 50.0, Some((percentile(&times, 99), words)));
    native.close(session);
}

/// How long the same processes take to be gone when their namespace's first one is killed.
fn killed_in_a_bare_namespace() -> Duration {
    let mut unshare = Process::new("unshare");
    unshare.args(["--fork", "--pid", "--mount-proc", "--kill-child", "sh", "-c", TREE]);
    let mut unshare = unshare.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(unshare.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "all\n");
    // As in a command's wall time, all of them have come to rest.
    std::thread::sleep(Duration::from_millis(1500));
    let of = format!("/proc/{0}/task/{0}/children", unshare.id());
    let first = std::fs::read_to_string(of).unwrap();
    let started = Instant::now();
    assert!(Process::new("kill").args(["-9", first.trim()]).status().unwrap().success());
    unshare.wait().unwrap();
    started.elapsed()
}

/// Every layer tried for real, as `architect doctor` does.
pub(crate) fn doctor(targets: &mut Targets) {
    let path = "/usr/local/bin:/usr/bin:/bin";
    let toolchains = detect_toolchains(Path::new("/root"), path.as_ref());
    let config = NativeConfig::default().toolchains(toolchains);
    let times: Vec<_> = (0..20)
        .map(|_| {
            let started = Instant::now();
            let checks = native::doctor(&config);
            let took = started.elapsed();
            assert!(checks.len() > 1, "{checks:?}");
            took
        })
        .collect();
    let [middle, worst] = [50, 99].map(|percent| percentile(&times, percent));
    let words = format!("median {middle:.0} ms, worst of 20 {worst:.0}");
    targets.at_most("`doctor`, the native sandbox's part", "≤ 100 ms", 100.0, Some((worst, words)));
}
