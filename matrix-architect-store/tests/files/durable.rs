//! What a disk says of a write is asked before anybody is told that content is stored, as strace(1)
//! sees it: nothing else shows it but a power cut.

use std::process::Command;

use matrix_architect_core::{id::TenantId, traits::ArtifactStore as _};
use matrix_architect_store::files::FileArtifacts;

const CHILD: &str = "files::durable::the_writer_that_is_watched";

/// Not a test of its own: the process that strace watches.
#[test]
#[ignore = "started by content_and_its_name_are_synced_in_this_order"]
fn the_writer_that_is_watched() {
    #[expect(clippy::disallowed_methods, reason = "the parent test says where")]
    let Ok(root) = std::env::var("ARTIFACTS_ROOT") else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = FileArtifacts::open(root).await.unwrap();
        let body = bytes::Bytes::from_static(b"what is put");
        store.put(&TenantId::default(), &body).await.unwrap();
        // What follows is not the put's.
        let _ = std::fs::metadata("/the/put/has/returned");
    });
}

/// Says that the test cannot be run here, or fails where all must run.
#[expect(clippy::print_stderr, reason = "a test that was not run says so")]
fn skip(why: &str) {
    #[expect(clippy::disallowed_methods, reason = "the environment says whether all must run")]
    let all = std::env::var("ARCHITECT_CI").is_ok();
    assert!(!all, "must not be skipped: {why}");
    eprintln!("SKIPPED: {why}");
}

#[test]
fn content_and_its_name_are_synced_in_this_order() {
    let folder = tempfile::tempdir().unwrap();
    let traced = folder.path().join("trace");
    let watched = Command::new("strace")
        .args(["-f", "-y", "-s", "4096", "-e", "trace=/sync|link|stat", "-o"])
        .arg(&traced)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored", "--nocapture"])
        .env("ARTIFACTS_ROOT", folder.path().join("artifacts"))
        .output();
    let Ok(watched) = watched else { return skip("there is no strace") };
    let trace = std::fs::read_to_string(&traced).unwrap_or_default();
    if trace.is_empty() {
        return skip("strace may watch nobody here");
    }
    assert!(watched.status.success(), "{trace}");
    let calls: Vec<_> = trace.lines().collect();
    let place = |what: &str, is_it: &dyn Fn(&str) -> bool| {
        calls.iter().position(|call| is_it(call)).unwrap_or_else(|| panic!("no {what}: {trace}"))
    };
    let content = place("sync of the content", &|call| {
        call.contains(" fsync(") && call.contains("/incoming/")
    });
    let name = place("name", &|call| call.contains("link") && call.contains("/incoming/"));
    let of_name = calls[name].rsplit('"').nth(1).unwrap();
    let directory = of_name.rsplit_once('/').unwrap().0;
    let after = |call: &&&str| call.contains(" fsync(") && call.contains(&format!("{directory}>"));
    let synced = calls.iter().skip(name).find(after).is_some();
    let told = place("end", &|call| call.contains("/the/put/has/returned"));
    assert!(content < name && synced && name < told, "{trace}");
}
