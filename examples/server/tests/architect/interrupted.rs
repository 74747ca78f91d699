//! Processes that die in the middle, and people who change their mind.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Bench, find};

/// A change whose check and whose health command take their time.
fn arguments(bench: &Bench) -> Vec<String> {
    let repo = bench.repo().display().to_string();
    let plan = bench.plan("plan.json", "hello, world\n");
    let live = bench.path("live").display().to_string();
    let words = [
        "run",
        "--repo",
        &repo,
        "--plan",
        &plan,
        "--allow-degraded",
        "--json",
        "--constraint",
        "require_tests=false",
        "--verify",
        "sleep 2; test -s greeting.txt",
        "--deploy-to",
        &live,
        "--health",
        "sleep 1",
    ];
    words.map(ToOwned::to_owned).into()
}

fn start(bench: &Bench, arguments: &[String]) -> Child {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = bench.architect(&words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the binary runs")
}

/// The one job there is, once it has come to this status.
fn reach(bench: &Bench, status: &str) -> Value {
    let start = Instant::now();
    loop {
        let listed = bench.run(&["jobs", "--json"]).expect(0).json();
        let jobs = listed.as_array().unwrap();
        assert!(jobs.len() < 2, "one job and not two: {listed:#}");
        if let Some(job) = jobs.iter().find(|job| job["status"] == status) {
            return job.clone();
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{listed:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn after_kill_9_the_same_command_goes_on_and_no_effect_happens_twice() {
    let bench = Bench::new();
    let arguments = arguments(&bench);
    let mut ids = Vec::new();
    for status in ["verifying", "deploying"] {
        let mut child = start(&bench, &arguments);
        ids.push(reach(&bench, status)["id"].clone());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let report = bench.run(&words).expect(0).json();
    ids.push(report["job"]["id"].clone());
    assert_eq!(report["job"]["status"], "succeeded");
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let live = find(&bench.path("live"), "releases").expect("a folder of releases");
    assert_eq!(std::fs::read_dir(live).unwrap().count(), 1, "one release");
    assert_eq!(report["job"]["releases"].as_array().unwrap().len(), 1);
}

#[test]
fn ctrl_c_ends_the_job_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let child = start(&bench, &arguments(&bench));
    let id = reach(&bench, "verifying")["id"].clone();
    let process = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &process]).status().unwrap().success());
    let ended = crate::support::Ended::from(child.wait_with_output().unwrap()).expect(3);
    let job = &ended.json()["job"];
    assert_eq!((&job["id"], job["status"].as_str()), (&id, Some("aborted")));
    assert!(find(&bench.path("live"), "greeting.txt").is_none(), "nothing is deployed");
}

#[test]
fn a_terminated_process_leaves_the_job_to_be_resumed() {
    let bench = Bench::new();
    let arguments = arguments(&bench);
    let child = start(&bench, &arguments);
    let id = reach(&bench, "verifying")["id"].clone();
    let process = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &process]).status().unwrap().success());
    let ended = crate::support::Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 1, "{ended:#?}");
    let id = id.as_str().unwrap();
    bench.run(&["resume", id, "--allow-degraded"]).expect(0);
}
