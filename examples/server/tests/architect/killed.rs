//! `kill -9` in every stage: the same command goes on, nothing is lost and no effect happens twice.

use std::collections::BTreeMap;

use matrix_architect_core::{event::Event, job::JobStatus, pipeline::Stage};
use serde_json::Value;

use crate::support::{
    Bench, find, git,
    witness::{ATTEMPTS, Witness},
};

/// Kills runs until one was killed in that status.
fn killed_in(wanted: JobStatus, bench: impl Fn() -> Witness) -> Witness {
    for attempt in 1..=ATTEMPTS {
        let witness = bench();
        witness.kill_when(|| witness.status() == Some(wanted));
        if witness.status() == Some(wanted) {
            eprintln!("killed in {wanted:?} at attempt {attempt}");
            return witness;
        }
    }
    panic!("no kill of {ATTEMPTS} met {wanted:?}");
}

/// Demands that whatever may happen once did not happen twice.
fn assert_once(events: &[Event], wanted: JobStatus) {
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for event in events {
        let what = match event {
            Event::Finished(output) => format!("finished {:?}", output.stage()),
            Event::StepDone { step, .. } => format!("done {step}"),
            Event::TargetApplied { target, .. } => format!("applied {target}"),
            Event::TargetUndone { target, .. } => format!("undone {target}"),
            // PUBLISH asks its publisher again, who has to know what it did.
            Event::Published(publication) if publication.changed => publication.uri.clone(),
            Event::Replanned { .. } => panic!("killed in {wanted:?}: planned again: {events:#?}"),
            _ => continue,
        };
        *times.entry(what).or_default() += 1;
    }
    let twice: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "killed in {wanted:?}: {twice:?}");
}

fn count(job: &Value, member: &str) -> usize {
    job[member].as_array().map_or(0, Vec::len)
}

/// Kills a run in that stage and demands that the same command brings it to its one end.
fn finished_after_a_kill_in(wanted: JobStatus) {
    let witness = killed_in(wanted, Witness::of_directory);
    let report = witness.run().expect(0).json();
    let job = &report["job"];
    assert_eq!(
        (witness.status(), &job["status"]),
        (Some(JobStatus::Succeeded), &"succeeded".into())
    );
    let events = witness.events();
    assert_once(&events, wanted);
    let finished = events.iter().filter(|event| matches!(event, Event::Finished(_))).count();
    assert_eq!(finished, Stage::ALL.len(), "killed in {wanted:?}");
    let evidence = job["evidence"].as_array().unwrap();
    let mut names: Vec<_> = evidence.iter().map(|evidence| evidence["name"].as_str()).collect();
    names.sort_unstable();
    names.dedup();
    // The step's check and the health, and nothing twice.
    assert!(names.len() >= 2 && names.len() == evidence.len(), "killed in {wanted:?}: {job:#}");
    assert_eq!((count(job, "releases"), count(job, "publications")), (1, 1), "{wanted:?}");
    let bench = &witness.bench;
    assert!(bench.is_live(), "{wanted:?}");
    let releases = find(&bench.path("live"), "releases").expect("a folder of releases");
    assert_eq!(std::fs::read_dir(releases).unwrap().count(), 1, "{wanted:?}: one release");
    let publications = bench.path("published").join(job["id"].as_str().unwrap());
    let published = std::fs::read_dir(&publications).unwrap().flatten();
    let mut published: Vec<_> = published.map(|entry| entry.file_name()).collect();
    published.sort_unstable();
    let last = std::fs::read_link(publications.join("latest")).unwrap();
    assert!(published.len() == 2 && published[0] == last, "{wanted:?}: {published:?}");
    let verify: Vec<String> = serde_json::from_value(report["verify"].clone()).unwrap();
    let words: Vec<&str> = verify[1..].iter().map(String::as_str).collect();
    bench.run(&words).expect(0);
}

#[test]
fn a_run_killed_in_any_stage_is_finished_by_the_same_command() {
    for stage in [
        JobStatus::Planning,
        JobStatus::Patching,
        JobStatus::Verifying,
        JobStatus::Gating,
        JobStatus::Deploying,
        JobStatus::Publishing,
    ] {
        finished_after_a_kill_in(stage);
    }
}

#[test]
fn a_rollback_that_is_killed_is_finished_by_the_same_command() {
    let witness = killed_in(JobStatus::RollingBack, || {
        let bench = Bench::new();
        let nowhere = bench.path("nowhere").display().to_string();
        let constraint = ["--constraint", "on_publish_failure=roll_back"];
        Witness::of(
            bench,
            "repo",
            &[&["--publish-git", nowhere.as_str()], &constraint[..]].concat(),
        )
    });
    let report = witness.run().expect(3).json();
    assert_eq!(report["job"]["status"], "failed", "{report:#}");
    let events = witness.events();
    assert_once(&events, JobStatus::RollingBack);
    for kind in ["target_applied", "target_undone", "rolled_back"] {
        assert_eq!(events.iter().filter(|event| event.kind() == kind).count(), 1, "{kind}");
    }
    assert!(!witness.bench.is_live(), "nothing is live any more");
}

#[test]
fn a_push_onto_its_own_base_is_known_again_after_a_kill() {
    for attempt in 1..=ATTEMPTS {
        let bench = Bench::new();
        let public = bench.path("public.git");
        let place = public.display().to_string();
        bench.git(&["clone", "-q", "--bare", ".", &place]);
        // With all its branches packed, the push writes the first one of its own.
        git(&public, &["pack-refs", "--all"]);
        let base = git(&public, &["rev-parse", "main"]);
        let publish =
            ["--publish-git", &place, "--publish-branch", "main", "--publish-base", "main"];
        let witness = Witness::of(bench, "public.git", &publish);
        witness.kill_when(|| public.join("refs/heads/main").exists());
        let is_recorded = |events: &[Event]| events.iter().any(|event| event.kind() == "published");
        if is_recorded(&witness.events()) {
            continue;
        }
        eprintln!("killed between the push and its record at attempt {attempt}");
        let tip = git(&public, &["rev-parse", "main"]);
        assert_eq!(git(&public, &["rev-parse", "main^"]), base, "the push was there");
        let report = witness.run().expect(0).json();
        assert_eq!(report["job"]["status"], "succeeded", "{report:#}");
        assert_eq!(git(&public, &["rev-parse", "main"]), tip, "pushed once");
        let events = witness.events();
        assert_once(&events, JobStatus::Publishing);
        assert!(is_recorded(&events), "{events:#?}");
        assert_eq!(report["job"]["publications"][0]["revision"], tip.as_str());
        return;
    }
    panic!("no kill of {ATTEMPTS} came between the push and its record");
}
