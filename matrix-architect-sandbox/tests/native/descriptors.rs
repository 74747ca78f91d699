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
    id::SessionId,
    traits::{Cancel, Collect, Command, Limits, Sandbox as _, SessionSpec},
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

#[tokio::test]
async fn orders_are_the_helpers_alone_and_an_errand_has_its_archive_alone() {
    let ground = Ground::with_cgroups();
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = Limits::default().disk(64 << 20).memory(256 << 20);
    let session = ground.sandbox.open(&Files::default(), &spec).await.unwrap();
    let line = Command::shell("head -c 8M /dev/zero > big");
    let exit = session.run(&line, &mut Vec::new(), &Cancel::new()).await.unwrap();
    assert!(exit.verdict.is_success());
    let helper = ground.sandbox.helper_id();
    let orders = orders(helper).await;
    let [keeper] = children(helper)[..] else { panic!("one session") };
    let open = open_in(keeper);
    assert_eq!(open[&0], "/dev/null");
    assert!(!open.values().any(|what| *what == orders), "{open:?}");
    // Eight megabytes do not fit into a pipe: the errand waits as long as nobody reads on.
    let mut archive = session.collect(&Collect::new(["big"])).await.unwrap();
    let mut length = archive.next().await.unwrap().unwrap().len();
    let errands: Vec<_> = children(keeper).into_iter().map(open_in).collect();
    let is_bare = |open: &BTreeMap<u32, String>| {
        let (pipes, others): (Vec<_>, Vec<_>) =
            open.range(3..).map(|(_, what)| what).partition(|what| what.starts_with("pipe:"));
        // The files it is reading are of the tree.
        pipes.len() == 2 && others.iter().all(|what| what.starts_with("/workspace"))
    };
    assert!(errands.iter().any(is_bare), "{errands:?}");
    while let Some(piece) = archive.next().await {
        length += piece.unwrap().len();
    }
    assert!(length > 8 << 20);
    drop(archive);
    session.close().await.unwrap();
}
