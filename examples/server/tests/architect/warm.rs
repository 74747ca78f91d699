//! Sessions that stand by: as many as workers where `architect serve` isolates natively, each
//! adopted once.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::support::{Bench, server::Serving};

/// Processes of a server's helper that have a pid namespace of their own: its sessions.
fn sessions(server: &Serving) -> BTreeSet<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let statuses: Vec<(u32, String)> = processes
        .filter_map(|process| {
            let id = process.file_name().to_str()?.parse().ok()?;
            Some((id, fs::read_to_string(process.path().join("status")).ok()?))
        })
        .collect();
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let children = |parent: u32| {
        let parent = vec![parent.to_string()];
        statuses.iter().filter(move |(_, status)| field(status, "PPid:") == parent)
    };
    let helpers = children(server.id());
    let of_helpers = helpers.flat_map(|(helper, _)| children(*helper));
    let inside = of_helpers.filter(|(_, status)| field(status, "NSpid:").len() > 1);
    inside.map(|(id, _)| *id).collect()
}

#[track_caller]
fn wait_for(server: &Serving, what: &str, holds: impl Fn(&BTreeSet<u32>) -> bool) -> BTreeSet<u32> {
    let start = Instant::now();
    loop {
        let found = sessions(server);
        if holds(&found) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{what}: {found:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn change_something(bench: &Bench, server: &Serving) {
    let change = json!({
        "repo": { "kind": "local", "path": bench.repo() },
        "plan": { "goal": "greet better", "steps": [{ "id": "greet", "ops": [
            { "op": "update", "path": "greeting.txt", "content": "hello, world\n" }
        ]}]},
        "verify_commands": ["test -s greeting.txt"],
        "constraints": { "require_tests": false }
    });
    let job = server.post(&server.admin, "/execute", &change).json();
    server.wait_for(job["id"].as_str().unwrap(), "succeeded");
}

#[test]
fn a_server_keeps_a_session_for_each_worker_and_a_job_takes_one() {
    let bench = Bench::new();
    let server = Serving::start(&bench);
    let before = wait_for(&server, "two stand by", |found| found.len() == 2);
    change_something(&bench, &server);
    // The one that was adopted ended with its job, and another stands in its place.
    let after = wait_for(&server, "two again", |found| found.len() == 2 && *found != before);
    assert_eq!(after.intersection(&before).count(), 1, "{before:?}, {after:?}");
    assert_eq!(server.stop(), 0);
}

#[test]
fn as_many_stand_by_as_are_wanted() {
    let bench = Bench::new();
    for count in [0, 3] {
        let wanted = count.to_string();
        let words = [&Serving::ARGUMENTS[..], &["--sandbox-warm", &wanted]].concat();
        let server = Serving::of(bench.architect(&words), &bench);
        wait_for(&server, "those that are wanted", |found| found.len() == count);
        change_something(&bench, &server);
        wait_for(&server, "those that are wanted, again", |found| found.len() == count);
        assert_eq!(server.stop(), 0);
        bench.git(&["commit", "-q", "--allow-empty", "-m", "another"]);
    }
}

#[test]
fn a_sandbox_that_keeps_none_ready_says_so() {
    let bench = Bench::new();
    let words = ["doctor", "--sandbox", "bwrap", "--sandbox-warm", "1"];
    let refused = bench.run(&words).expect(2);
    assert!(refused.one_sentence().contains("--sandbox-warm"), "{refused:#?}");
}
