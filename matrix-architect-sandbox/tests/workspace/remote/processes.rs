//! What the processes of this machine show.

use std::{
    fs,
    time::{Duration, Instant},
};

/// The processes, apart from this one, with `needle` in one of these files of theirs.
fn with(needle: &str, files: &[&str]) -> Vec<u32> {
    let own = std::process::id();
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let shows = |pid: &u32| {
        files.iter().any(|file| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
        })
    };
    pids.filter(|pid| *pid != own && shows(pid)).collect()
}

/// The processes that were started with `needle` in their arguments.
pub(super) fn about(needle: &str) -> Vec<u32> {
    with(needle, &["cmdline"])
}

/// Waits until there is one of that name, and one about `needle`.
pub(super) async fn appear(name: &str, needle: &str) {
    let patience = Instant::now() + Duration::from_mins(1);
    loop {
        let found = about(needle).into_iter().any(|pid| {
            let comm = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            comm.trim() == name
        });
        if found {
            return;
        }
        assert!(Instant::now() < patience, "no {name} about {needle}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until there is none about `needle`.
pub(super) async fn vanish(needle: &str) {
    let patience = Instant::now() + Duration::from_mins(1);
    while !about(needle).is_empty() {
        assert!(Instant::now() < patience, "there still is one about {needle}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Looks for a while; whether any process shows `secret` in its arguments or its environment.
pub(super) async fn ever_show(secret: &str) -> bool {
    for _ in 0..40 {
        if !with(secret, &["cmdline", "environ"]).is_empty() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    false
}

#[tokio::test]
async fn a_secret_that_shows_is_seen() {
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .env("SHOWN", "hunter2-shown")
        .spawn()
        .unwrap();
    assert!(ever_show("hunter2-shown").await);
    child.kill().unwrap();
    child.wait().unwrap();
}
