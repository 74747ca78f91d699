//! Who holds which descriptors: what a process has open it can use, whatever its code is meant to
//! do.

use std::{
    collections::BTreeMap,
    fs,
    time::{Duration, Instant},
};

use futures_util::StreamExt as _;
use matrix_architect_core::{
    conformance::files::Files,
    error::ErrorKind,
    id::SessionId,
    traits::{Cancel, Collect, Command, Limits, Sandbox as _, Session, SessionSpec},
};

use super::ground::{Ground, children};

/// What a process has open, by number.
fn open_in(pid: u32) -> BTreeMap<u32, String> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let open = entries.filter_map(|entry| {
        let number = entry.file_name().to_str()?.parse().ok()?;
        Some((number, fs::read_link(entry.path()).ok()?.display().to_string()))
    });
    open.collect()
}

fn sockets(open: &BTreeMap<u32, String>) -> Vec<String> {
    open.values().filter(|what| what.starts_with("socket:")).cloned().collect()
}

/// The socket over which the helper is told what to do, once it is its only one.
async fn orders(helper: u32) -> String {
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        match sockets(&open_in(helper)).as_slice() {
            [orders] => return orders.clone(),
            others => assert!(Instant::now() < until, "{others:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A session with a file of eight megabytes, which do not fit into a pipe: an errand waits as long as
/// nobody reads on.
async fn large(ground: &Ground) -> Box<dyn Session> {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = Limits::default().disk(64 << 20).memory(256 << 20);
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let line = Command::shell("head -c 8M /dev/zero > big");
    let exit = session.run(&line, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert!(exit.verdict.is_success());
    session
}

/// The process of the keeper's that holds two pipes and beside them only files of the tree, which it
/// is reading.
fn errand(keeper: u32) -> u32 {
    let is_bare = |open: &BTreeMap<u32, String>| {
        let (pipes, others): (Vec<_>, Vec<_>) =
            open.range(3..).map(|(_, what)| what).partition(|what| what.starts_with("pipe:"));
        pipes.len() == 2 && others.iter().all(|what| what.starts_with("/workspace"))
    };
    let all: Vec<_> = children(keeper).into_iter().map(|pid| (pid, open_in(pid))).collect();
    let found = all.iter().find(|(_, open)| is_bare(open));
    found.unwrap_or_else(|| panic!("{all:?}")).0
}

#[tokio::test]
async fn orders_are_the_helpers_alone_and_an_errand_has_its_archive_alone() {
    let ground = Ground::with_cgroups();
    let session = large(&ground).await;
    let helper = ground.sandbox.helper_id();
    let orders = orders(helper).await;
    let keeper = ground.keeper().await;
    let open = open_in(keeper);
    assert_eq!(open[&0], "/dev/null");
    assert!(!open.values().any(|what| *what == orders), "{open:?}");
    let mut archive = session.collect(&Collect::new(["big"])).await.unwrap();
    let mut length = archive.next().await.unwrap().unwrap().len();
    let limits = fs::read_to_string(format!("/proc/{}/limits", errand(keeper))).unwrap();
    for bound in ["data size 536870912 536870912", "cpu time 600 600", "core file size 0 0"] {
        let has =
            |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ").contains(bound);
        assert!(limits.lines().any(has), "no cgroup bounds it: {bound}: {limits}");
    }
    while let Some(piece) = archive.next().await {
        length += piece.unwrap().len();
    }
    assert!(length > 8 << 20);
    drop(archive);
    session.close().await.unwrap();
}

#[tokio::test]
async fn an_archive_that_falls_silent_is_broken_off_and_its_session_with_it() {
    let ground = Ground::with_cgroups();
    let session = large(&ground).await;
    let mut archive = session.collect(&Collect::new(["big"])).await.unwrap();
    archive.next().await.unwrap().unwrap();
    let keeper = ground.keeper().await;
    let errand = errand(keeper);
    let pid = rustix::process::Pid::from_raw(errand.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    while !fs::read_to_string(format!("/proc/{errand}/stat")).unwrap().contains(") T ") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What is in the pipe still comes; then time passes as fast as nothing happens.
    tokio::time::pause();
    let error = loop {
        if let Err(error) = archive.next().await.unwrap() {
            break error;
        }
    };
    tokio::time::resume();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("broke off"), "{error}");
    drop(archive);
    let again = session.run(&Command::shell("true"), &mut Vec::new(), &Cancel::new()).await;
    assert!(again.is_err(), "the session would be in the middle of something");
}
