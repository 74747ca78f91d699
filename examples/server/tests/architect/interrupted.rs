//! Processes that die in the middle, and people who change their mind.

use std::{
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use matrix_architect_core::{
    event::Event,
    job::JobStatus,
    pipeline::{Phase, Stage},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::{
    Bench, Ended, find,
    witness::{ATTEMPTS, Witness},
};

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
    let ended = Ended::from(child.wait_with_output().unwrap()).expect(3);
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
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(ended.code, 1, "{ended:#?}");
    let id = id.as_str().unwrap();
    bench.run(&["resume", id, "--allow-degraded"]).expect(0);
}

/// The status in which the wish to stop was written.
fn heard_in(events: &[Event]) -> Option<Stage> {
    let wish = events.iter().position(|event| matches!(event, Event::CancelRequested { .. }))?;
    events[..wish].iter().rev().find_map(|event| match event {
        Event::Started { stage, .. } => Some(Some(*stage)),
        Event::Finished(_) => Some(None),
        _ => None,
    })?
}

/// Interrupts a run in that stage, and returns whether it was heard there. Whenever it is heard,
/// either everything is done or nothing is left.
fn interrupt_in(stage: Stage) -> bool {
    let witness = Witness::of_directory();
    let wanted = Phase::Running(stage).status();
    let child = witness.start_until(|| witness.status() == Some(wanted));
    // It may have ended by itself.
    let _ = kill_process(Pid::from_child(&child), Signal::INT);
    let ended = Ended::from(child.wait_with_output().unwrap());
    let heard = heard_in(&witness.events());
    let live = witness.bench.is_live();
    let published = find(&witness.bench.path("published"), "MANIFEST.json").is_some();
    match witness.status().unwrap() {
        JobStatus::Succeeded => {
            assert_eq!(ended.code, 0, "{ended:#?}");
            assert!(heard.is_none_or(|heard| heard == Stage::Publish), "not stopped in {heard:?}");
            assert!(live && published, "interrupted in {stage}: half done");
        }
        JobStatus::Aborted => {
            assert_eq!(ended.code, 3, "{ended:#?}");
            assert!(!live && !published, "interrupted in {stage}: left behind");
        }
        status => panic!("interrupted in {stage}: {status:?}: {ended:#?}"),
    }
    heard == Some(stage)
}

#[test]
fn ctrl_c_in_any_stage_ends_in_all_or_nothing() {
    for stage in Stage::ALL {
        let heard = (1..=ATTEMPTS).find(|_| interrupt_in(stage));
        eprintln!("interrupted in {stage} at attempt {heard:?}");
        assert!(heard.is_some(), "no interrupt of {ATTEMPTS} met {stage}");
    }
}
