//! Many runs, seeded: what they leave behind, and whether each is judged right. The long forms are
//! for `cargo test -p matrix-architect-sandbox --all-features --test native -- --ignored soak`.

use std::{
    fs,
    time::{Duration, Instant},
};

use matrix_architect_core::{
    conformance::{files::Files, sandbox::Isolates as _},
    id::SessionId,
    traits::{
        Cancel, Command, Enforcement, Exit, ExitVerdict, Limits, Sandbox as _, Session, SessionSpec,
    },
};

use super::ground::{Ground, children, mounts};
use crate::own::{alone, open_descriptors};

const MIB: u64 = 1 << 20;

fn spec() -> SessionSpec {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    let limits = Limits::default().wall(Duration::from_secs(30)).memory(64 * MIB).disk(16 * MIB);
    spec.limits = limits.processes(64).output(10_000);
    spec
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Numbers that look like chance and are the same every time (Marsaglia's xorshift).
#[derive(Debug)]
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

/// The most descriptors of a helper without sessions: eight networks of seven descriptors each, and a
/// few of its own.
const KEPT: usize = 8 * 7 + 8;

/// What a long run must not add to.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    helpers_descriptors: usize,
    mounts: Vec<String>,
    files: usize,
}

impl Held {
    fn by(ground: &Ground) -> Self {
        let count = |path: &str| fs::read_dir(path).unwrap().count();
        Self {
            descriptors: open_descriptors(),
            helpers_descriptors: count(&format!("/proc/{}/fd", ground.sandbox.helper_id())),
            mounts: mounts(),
            files: count("/dev/shm"),
        }
    }

    /// Whether nothing came to what there was, but for the networks that the helper keeps: how many
    /// depends on how soon it looked at them.
    fn adds_nothing_to(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors
            && self.helpers_descriptors <= KEPT
            && self.mounts == before.mounts
            && self.files <= before.files
    }
}

async fn one_session(ground: &Ground, chance: &mut Chance) -> u64 {
    let session = ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
    let runs = 1 + chance.below(4);
    for _ in 0..runs {
        let line = match chance.below(4) {
            0 => "setsid sleep 100 & echo x > file",
            1 => "exit 3",
            2 => "head -c 100000 /dev/zero",
            _ => "kill -SEGV $$",
        };
        session.run(&Command::shell(line), &mut Vec::new(), &Cancel::new()).await.unwrap();
    }
    // Some callers forget to close.
    if chance.below(8) == 0 {
        drop(session);
    } else {
        session.close().await.unwrap();
    }
    runs
}

/// Runs so many commands, after some that fill what is kept to be used again.
async fn soak(runs: u64) {
    let (ground, mut chance) = (Ground::with_cgroups(), Chance(0x5eed));
    let settle = async || {
        let until = Instant::now() + Duration::from_secs(10);
        let mut left = ground.leftovers().await;
        while !left.is_empty() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
            left = ground.leftovers().await;
        }
        assert_eq!(left, Vec::<String>::new());
    };
    // One network is enough for sessions one after the other, if each has settled.
    for _ in 0..20 {
        one_session(&ground, &mut chance).await;
        settle().await;
    }
    let before = Held::by(&ground);
    let mut done = 0;
    while done < runs {
        done += one_session(&ground, &mut chance).await;
        settle().await;
    }
    let after = Held::by(&ground);
    assert!(after.adds_nothing_to(&before), "{after:?} after {before:?}");
    assert_eq!(children(std::process::id()).len(), 1, "the helper alone");
}

#[test]
fn three_hundred_runs_leave_nothing_behind() {
    alone("native::soak::three_hundred_runs_leave_nothing_behind", || {
        runtime().block_on(soak(300));
    });
}

#[test]
#[ignore = "takes minutes"]
fn soak_of_ten_thousand_runs_leaves_nothing_behind() {
    let test = "native::soak::soak_of_ten_thousand_runs_leaves_nothing_behind";
    alone(test, || runtime().block_on(soak(10_000)));
}

/// A way to end: what is run, within which bounds, and what it must be called.
fn way_to_end(chance: &mut Chance) -> (String, Limits, ExitVerdict) {
    let limits = spec().limits;
    match chance.below(8) {
        0 => {
            let code = chance.below(256);
            (format!("exit {code}"), limits, ExitVerdict::Exited(i32::try_from(code).unwrap()))
        }
        1 => {
            let signal = [6, 8, 10, 11, 15][usize::try_from(chance.below(5)).unwrap()];
            (format!("kill -{signal} $$"), limits, ExitVerdict::Signalled(signal))
        }
        2 => ("exec tail /dev/zero".into(), limits.memory(32 * MIB), ExitVerdict::OutOfMemory),
        3 => {
            let wall = Duration::from_millis(50 + chance.below(200));
            ("setsid sleep 100 & sleep 100".into(), limits.wall(wall), ExitVerdict::TimedOut)
        }
        4 => {
            let cpu = Duration::from_millis(50 + chance.below(100));
            ("while :; do :; done".into(), limits.cpu(cpu), ExitVerdict::CpuExceeded)
        }
        5 => {
            let line = "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.1 & done; wait; exit 3";
            (line.into(), limits.processes(4), ExitVerdict::ProcessesExceeded)
        }
        // A space that is full only for a moment, between two looks, is not seen.
        6 => {
            let line = "rm -f big; head -c 20m /dev/zero > big";
            (line.into(), limits.disk(4 * MIB), ExitVerdict::DiskExceeded)
        }
        _ => ("head -c 100000 /dev/zero".into(), limits, ExitVerdict::Exited(0)),
    }
}

async fn judged_right(runs: u64) {
    let (ground, mut chance) = (Ground::with_cgroups(), Chance(0xfee1));
    let mut session: Option<Box<dyn Session>> = None;
    let mut wrong = Vec::new();
    for number in 0..runs {
        if number % 10 == 0 {
            if let Some(session) = session.take() {
                session.close().await.unwrap();
            }
            session = Some(ground.sandbox.open(&Files::default(), &spec()).await.unwrap());
        }
        let (line, limits, expected) = way_to_end(&mut chance);
        let mut command = Command::shell(&line);
        command.limits = Some(limits);
        let run = session.as_ref().unwrap();
        let exit = run.run(&command, &mut Vec::new(), &Cancel::new()).await.unwrap();
        let dropped = exit.output.stdout > 10_000;
        if exit.verdict != expected || dropped != (exit.output.dropped > 0) {
            wrong.push(format!("{number}: {line}: {:?} for {expected:?}", exit.verdict));
        }
        assert_enforced(&exit);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    session.unwrap().close().await.unwrap();
}

fn assert_enforced(exit: &Exit) {
    let absent = |report: &&_| -> bool {
        let report: &matrix_architect_core::traits::LimitReport = report;
        report.enforcement == Enforcement::Absent
    };
    assert_eq!(exit.enforcement.iter().find(absent), None);
}

#[test]
fn a_hundred_ends_are_judged_right() {
    runtime().block_on(judged_right(100));
}

#[test]
#[ignore = "takes minutes"]
fn soak_of_a_thousand_ends_is_judged_right() {
    runtime().block_on(judged_right(1000));
}

/// All processes below this one.
fn descendants(pid: u32) -> Vec<u32> {
    let mut found = children(pid);
    let mut at = 0;
    while let Some(pid) = found.get(at).copied() {
        found.extend(children(pid));
        at += 1;
    }
    found
}

#[test]
fn five_hundred_daemons_are_dead_when_a_timeout_is_told() {
    runtime().block_on(async {
        let ground = Ground::with_cgroups();
        let session = ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
        let line = "trap '' TERM; for i in $(seq 500); do (setsid sleep 1000 &); done; \
                    ls /proc | grep -c '^[0-9]'; sleep 1000";
        let mut command = Command::shell(line);
        command.limits =
            Some(spec().limits.processes(600).memory(512 * MIB).wall(Duration::from_secs(20)));
        let mut output = Vec::new();
        let exit = session.run(&command, &mut output, &Cancel::new()).await.unwrap();
        assert_eq!(exit.verdict, ExitVerdict::TimedOut);
        let lit: u32 = String::from_utf8_lossy(&output).trim().parse().unwrap();
        assert!(lit >= 500, "{lit} processes");
        let left = descendants(ground.sandbox.helper_id());
        assert!(left.len() <= 3, "{} processes outlived the timeout", left.len());
        session.close().await.unwrap();
    });
}

#[test]
fn a_network_that_was_used_is_not_used_again() {
    runtime().block_on(async {
        let ground = Ground::with_cgroups();
        let traffic = "cat /proc/net/dev /proc/net/sockstat; python3 -I -c 'import socket; \
                       l = socket.create_server((\"127.0.0.1\", 0)); \
                       socket.create_connection(l.getsockname())' 2>&1";
        for round in 0..6 {
            let session = ground.sandbox.open(&Files::default(), &spec()).await.unwrap();
            let mut output = Vec::new();
            session.run(&Command::shell(traffic), &mut output, &Cancel::new()).await.unwrap();
            let told = String::from_utf8_lossy(&output);
            let loopback = told.lines().find_map(|line| line.trim().strip_prefix("lo:")).unwrap();
            assert!(loopback.split_whitespace().all(|count| count == "0"), "{round}: {told}");
            session.close().await.unwrap();
            // The helper takes back what it may.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
}
