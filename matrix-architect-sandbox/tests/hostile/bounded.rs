//! Attempts on bounds, each with its control: the same with a wider bound, in the same sandbox.

use std::time::Duration;

use matrix_architect_core::traits::{
    Cancel, Command, Enforcement, Exit, ExitVerdict, Limits, Output, OutputStream,
};

use crate::{
    attempt::Bounds,
    ground::{Ground, ran},
    probe::Told,
};

fn usual() -> Limits {
    let limits = Limits::default().wall(Duration::from_mins(1)).memory(256 << 20);
    limits.disk(64 << 20).processes(64)
}

/// What is bounded, by the names of reports.
const BOUNDS: [&str; 4] = ["memory", "processes", "disk", "file_size"];

/// Runs a line that wants too much, and looks whether the session is the worse for it.
pub(crate) async fn tight(
    ground: &Ground,
    line: &str,
    bounds: Bounds,
    told: &[ExitVerdict],
) -> Told {
    let session = ground.open(bounds(usual())).await;
    let harmless = Command::shell("true");
    let (before, _) = ran(&*session, &harmless).await;
    if let Some(lacking) = unbounded(&before) {
        return Told::broken(format!("not tried, as nothing holds {lacking}"));
    }
    let (exit, output) = ran(&*session, &Command::shell(line)).await;
    // What was filled is emptied first; then it is as good as new.
    ran(&*session, &Command::shell("rm -rf ./* /tmp/* /dev/shm/*")).await;
    let (after, _) = ran(&*session, &harmless).await;
    session.close().await.unwrap();
    let why = format!("{:?}, then {:?}: {output}", exit.verdict, after.verdict);
    match (told.contains(&exit.verdict), after.verdict) {
        (true, ExitVerdict::Exited(0)) => Told::stopped(why),
        (false, _) if exit.verdict.is_success() => Told::open(why),
        _ => Told::broken(why),
    }
}

/// A bound that was not read back before the command began.
fn unbounded(exit: &Exit) -> Option<String> {
    let absent = |name: &&&str| {
        let report = exit.enforcement.iter().find(|report| report.name == **name);
        report.is_none_or(|report| report.enforcement == Enforcement::Absent)
    };
    BOUNDS.iter().find(absent).map(|name| (*name).to_owned())
}

/// The same line with room.
pub(crate) async fn wide(ground: &Ground, line: &str, bounds: Bounds) -> Told {
    let session = ground.open(bounds(usual())).await;
    let (exit, output) = ran(&*session, &Command::shell(line)).await;
    session.close().await.unwrap();
    let why = format!("{:?}: {output}", exit.verdict);
    if exit.verdict.is_success() { Told::open(why) } else { Told::stopped(why) }
}

/// Counts and forgets.
#[derive(Debug, Default)]
struct Counted(u64);

impl Output for Counted {
    fn write(&mut self, _stream: OutputStream, bytes: &[u8]) {
        self.0 += bytes.len() as u64;
    }
}

/// More than the note about what was dropped.
const NOTE: u64 = 200;

/// Runs a line that prints so many bytes where so many are kept.
pub(crate) async fn flooded(ground: &Ground, line: &str, bytes: u64, cap: u64) -> Told {
    let session = ground.open(usual().output(cap)).await;
    let mut kept = Counted::default();
    let exit = session.run(&Command::shell(line), &mut kept, &Cancel::new()).await.unwrap();
    session.close().await.unwrap();
    let written = exit.output.stdout + exit.output.stderr;
    let why = format!("{written} bytes written, {} kept, {:?}", kept.0, exit.verdict);
    if !exit.verdict.is_success() || written != bytes {
        Told::broken(why)
    } else if kept.0 == bytes {
        Told::open(why)
    } else if kept.0 <= cap + NOTE && exit.output.dropped >= bytes - cap {
        Told::stopped(why)
    } else {
        Told::broken(why)
    }
}
