//! `kill -9` at any moment of a run: the same command goes on, and no effect happens twice.

use std::{
    collections::BTreeSet,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Bench, Ended, find};

const TRIALS: u32 = 24;

fn arguments(bench: &Bench) -> Vec<String> {
    let place = |name| bench.path(name).display().to_string();
    let (repo, live, published) = (place("repo"), place("live"), place("published"));
    let plan = bench.plan("plan.json", "hello, world\n");
    let mut words = vec!["run", "--repo", &repo, "--plan", &plan, "--allow-degraded", "--json"];
    words.extend(["--constraint", "require_tests=false", "--verify", "test -s greeting.txt"]);
    words.extend(["--deploy-to", &live, "--health", "true", "--publish-to", &published]);
    words.into_iter().map(ToOwned::to_owned).collect()
}

fn run(bench: &Bench) -> Ended {
    let arguments = arguments(bench);
    bench.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

fn jobs(bench: &Bench) -> Vec<Value> {
    bench.run(&["jobs", "--json"]).expect(0).json().as_array().unwrap().clone()
}

fn count(job: &Value, member: &str) -> usize {
    job[member].as_array().map_or(0, Vec::len)
}

/// Kills a run after this time, runs it again, and returns the status the first was killed in.
fn trial(after: Duration, checks: usize) -> String {
    let bench = Bench::new();
    let arguments = arguments(&bench);
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut command = bench.architect(&words);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(after);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = jobs(&bench);
    let status = left.first().map_or("none", |job| job["status"].as_str().unwrap()).to_owned();
    if status == "succeeded" {
        return status;
    }
    let report = run(&bench).expect(0).json();
    let job = &report["job"];
    assert_eq!(job["status"], "succeeded");
    assert!(left.iter().all(|first| first["id"] == job["id"]), "{status}: the same job goes on");
    let listed = jobs(&bench);
    assert!(listed.len() == 1 && listed[0]["status"] == "succeeded", "{status}: {listed:#?}");
    assert_eq!(count(job, "evidence"), checks, "{status}: each check once: {job:#}");
    assert_eq!(count(job, "releases"), 1, "{status}: {job:#}");
    assert_eq!(count(job, "publications"), 1, "{status}: {job:#}");
    let releases = find(&bench.path("live"), "releases").expect("a folder of releases");
    assert_eq!(std::fs::read_dir(releases).unwrap().count(), 1, "{status}: one release");
    let verify: Vec<String> = serde_json::from_value(report["verify"].clone()).unwrap();
    bench.run(&verify.iter().skip(1).map(String::as_str).collect::<Vec<_>>()).expect(0);
    status
}

#[test]
fn a_run_killed_at_any_moment_is_finished_by_the_same_command() {
    let bench = Bench::new();
    let start = Instant::now();
    let undisturbed = run(&bench).expect(0).json();
    // Trials share the processors and are slower than a run alone, so the spread goes further.
    let whole = start.elapsed() * 2;
    let checks = count(&undisturbed["job"], "evidence");
    let mut seen = BTreeSet::new();
    let moments: Vec<Duration> = (1..=TRIALS).map(|n| whole * n / TRIALS).collect();
    for few in moments.chunks(6) {
        let trials: Vec<_> =
            few.iter().map(|&after| std::thread::spawn(move || trial(after, checks))).collect();
        for (after, trial) in few.iter().zip(trials) {
            let status = trial.join().unwrap();
            eprintln!("killed after {after:?}: {status}");
            seen.insert(status);
        }
    }
    seen.remove("none");
    seen.remove("succeeded");
    assert!(seen.len() >= 3, "the kills hit too few stages: {seen:?}");
}
