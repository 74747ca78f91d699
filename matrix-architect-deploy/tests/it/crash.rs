//! Killed at every step: what is live is the old release or the new one, and the next deployer
//! goes on without anybody unlocking anything.

use std::{os::unix::process::ExitStatusExt as _, path::PathBuf, process::Stdio};

use futures_util::future::join_all;
use matrix_architect_core::conformance::deployer::{Sample, Target as _};
use rustix::process::{Signal, getpid, kill_process};
use tokio::process::Command;

use crate::{
    deploying::Deploying,
    service::{Folder, bundle},
};

/// Every step of an apply that succeeds, then of one that fails and is taken back.
const STEPS: [&str; 9] = [
    "locked", "staged", "prepared", "intended", "switched", "started", "healthy", "applied",
    "tidied",
];
const STEPS_BACK: [&str; 6] =
    ["restoring", "returned", "restarted", "restored", "undone", "tidied"];

#[expect(clippy::disallowed_methods, reason = "how a test tells its child process what to do")]
fn told(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Not a test of its own: what the child process of the others does.
#[tokio::test]
async fn child() {
    let Some(step) = told("ARCHITECT_TEST_STEP") else { return };
    let folder = Folder::of(
        PathBuf::from(told("ARCHITECT_TEST_ROOT").unwrap()),
        told("ARCHITECT_TEST_PORT").unwrap().parse().unwrap(),
    );
    let mut deploying = Deploying::on(&folder);
    deploying.deployer = deploying.deployer.clone().with_checkpoint(move |reached| {
        if reached == step {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    });
    match told("ARCHITECT_TEST_DO").as_deref() {
        Some("apply") => drop(deploying.healthy(2, "two").await),
        Some("fail") => {
            drop(deploying.apply_bundle(2, bundle("bad", Sample::Unhealthy).to_vec()).await);
        }
        _ => {
            let reference = deploying.request(2, bundle("two", Sample::Healthy)).await.reference();
            drop(deploying.roll_back(2, &reference).await);
        }
    }
    panic!("the step was never reached");
}

/// Runs a child that is killed at a step.
async fn kill_at(folder: &Folder, what: &str, step: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    let status = child
        .args(["crash::child", "--exact"])
        .env("ARCHITECT_TEST_DO", what)
        .env("ARCHITECT_TEST_STEP", step)
        .env("ARCHITECT_TEST_ROOT", folder.path())
        .env("ARCHITECT_TEST_PORT", folder.ports["staging"].to_string())
        .stdout(Stdio::null())
        .status()
        .await
        .unwrap();
    assert_eq!(status.signal(), Some(9), "{what} was not killed at {step}");
}

/// What `current` leads to is one whole release, and it is one of these.
fn assert_whole(folder: &Folder, labels: &[&str]) {
    let current = folder.place("staging").join("current");
    let label = std::fs::read_to_string(current.join("label")).unwrap();
    assert!(labels.contains(&label.as_str()), "{label}");
    assert!(current.join("server.py").exists() && current.join("bin/restart").exists());
}

/// Where an apply was killed, with release "one" live before.
async fn killed_in_apply(step: &str) -> Folder {
    let folder = Folder::new();
    Deploying::on(&folder).healthy(1, "one").await.unwrap();
    kill_at(&folder, "apply", step).await;
    assert_whole(&folder, &["one", "two"]);
    folder
}

#[tokio::test]
async fn an_apply_killed_at_any_step_is_finished_by_the_next() {
    join_all(STEPS.map(async |step| {
        let folder = killed_in_apply(step).await;
        let deploying = Deploying::on(&folder);
        let release = deploying.healthy((2, 3), "two").await.unwrap();
        assert_eq!(folder.serving("staging").await.as_deref(), Some("two"), "{step}");
        assert!(release.previous.is_some(), "{step}");
        deploying.roll_back((2, 4), &release.reference).await.unwrap().unwrap();
        assert_eq!(folder.serving("staging").await.as_deref(), Some("one"), "{step}");
    }))
    .await;
}

#[tokio::test]
async fn an_apply_killed_at_any_step_can_be_taken_back() {
    join_all(STEPS.map(async |step| {
        let folder = killed_in_apply(step).await;
        let deploying = Deploying::on(&folder);
        let failed = deploying.request(2, bundle("two", Sample::Healthy)).await.reference();
        deploying.roll_back((2, 3), &failed).await.unwrap().unwrap();
        assert_whole(&folder, &["one"]);
        assert_eq!(folder.serving("staging").await.as_deref(), Some("one"), "{step}");
    }))
    .await;
}

#[tokio::test]
async fn a_first_apply_killed_at_any_step_can_be_taken_back_to_nothing() {
    join_all(STEPS.map(async |step| {
        let folder = Folder::new();
        kill_at(&folder, "apply", step).await;
        let deploying = Deploying::on(&folder);
        let failed = deploying.request(2, bundle("two", Sample::Healthy)).await.reference();
        assert_eq!(deploying.roll_back((2, 3), &failed).await.unwrap(), None, "{step}");
        assert_eq!(folder.serving("staging").await, None, "{step}");
        assert!(!folder.place("staging").join("current").exists());
    }))
    .await;
}

#[tokio::test]
async fn an_own_way_back_killed_at_any_step_is_finished_by_the_next() {
    join_all(STEPS_BACK.map(async |step| {
        let folder = Folder::new();
        Deploying::on(&folder).healthy(1, "one").await.unwrap();
        kill_at(&folder, "fail", step).await;
        is_taken_back(&folder, bundle("bad", Sample::Unhealthy).to_vec(), step).await;
    }))
    .await;
}

#[tokio::test]
async fn a_rollback_killed_at_any_step_is_finished_by_the_next() {
    join_all(STEPS_BACK.map(async |step| {
        let folder = Folder::new();
        let deploying = Deploying::on(&folder);
        deploying.healthy(1, "one").await.unwrap();
        deploying.healthy(2, "two").await.unwrap();
        kill_at(&folder, "rollback", step).await;
        is_taken_back(&folder, bundle("two", Sample::Healthy).to_vec(), step).await;
    }))
    .await;
}

async fn is_taken_back(folder: &Folder, failed: Vec<u8>, step: &str) {
    let deploying = Deploying::on(folder);
    assert_whole(folder, &["one", "two", "bad"]);
    let failed = deploying.request(2, failed).await.reference();
    deploying.roll_back((2, 3), &failed).await.unwrap().unwrap();
    assert_eq!(folder.serving("staging").await.as_deref(), Some("one"), "{step}");
    deploying.healthy(4, "three").await.unwrap();
    assert_eq!(folder.serving("staging").await.as_deref(), Some("three"), "{step}");
}
