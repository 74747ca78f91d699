//! What only the directory publisher promises.

use std::fs;

use matrix_architect_core::{
    attest::Envelope,
    fake::{
        CollectedLog, FixedClock, FixedSecrets, MemoryArtifacts, MemoryJournal, gated_release, job,
        job_ref,
    },
    time::Timestamp,
    traits::{ArtifactStore as _, Cancel, PublishContext, PublishRequest, Publisher as _},
};
use matrix_architect_deploy::publish::DirectoryPublisher;
use serde_json::json;

use crate::publishing::settings;

#[tokio::test]
async fn a_link_to_the_latest_that_a_crash_left_behind_gets_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let job = job(&job_ref(1), Timestamp::default());
    let artifacts = MemoryArtifacts::new();
    let (reference, bundle) = (job.reference(), bytes::Bytes::from_static(b"bundle"));
    let (digest, _) = artifacts.put(&job.tenant, &bundle).await.unwrap();
    let release = gated_release(&reference, digest);
    let envelope =
        Envelope { payload: String::new(), payload_type: String::new(), signatures: Vec::new() };
    let config = settings(json!({ "driver": "directory", "path": folder.path(), "name": "app" }));
    let request = PublishRequest::new(&config, &job, &release, &envelope, &envelope);
    let (journal, secrets, clock, cancel, log) = (
        MemoryJournal::new(),
        FixedSecrets::new(),
        FixedClock::new(),
        Cancel::new(),
        CollectedLog::new(),
    );
    let cx = PublishContext::new(&reference, &journal, &secrets, &artifacts, &clock, &cancel, &log);
    let publisher = DirectoryPublisher::new();
    assert!(publisher.publish(&cx, &request).await.unwrap().changed);
    let (next, latest) = (folder.path().join("app/.latest.next"), folder.path().join("app/latest"));
    assert!(latest.is_symlink() && !next.is_symlink());
    // As if it had died between the folder's name and the link's.
    fs::rename(&latest, &next).unwrap();
    assert!(!publisher.publish(&cx, &request).await.unwrap().changed);
    assert_eq!(fs::read_link(&latest).unwrap().to_str(), Some(release.version()));
    // The link of a publication that came later is not touched.
    fs::remove_file(&latest).unwrap();
    std::os::unix::fs::symlink("later", &latest).unwrap();
    assert!(!publisher.publish(&cx, &request).await.unwrap().changed);
    assert_eq!(fs::read_link(&latest).unwrap().to_str(), Some("later"));
}

/// Publishes a bundle of its own under one name, as job `number`.
async fn publish(path: &std::path::Path, number: u64) -> String {
    let job = job(&job_ref(number.into()), Timestamp::default());
    let artifacts = MemoryArtifacts::new();
    let (reference, bundle) = (job.reference(), bytes::Bytes::from(format!("bundle {number}")));
    let (digest, _) = artifacts.put(&job.tenant, &bundle).await.unwrap();
    let release = gated_release(&reference, digest);
    let envelope =
        Envelope { payload: String::new(), payload_type: String::new(), signatures: Vec::new() };
    let config = settings(json!({ "driver": "directory", "path": path, "name": "app" }));
    let request = PublishRequest::new(&config, &job, &release, &envelope, &envelope);
    let (journal, secrets, clock, cancel, log) = (
        MemoryJournal::new(),
        FixedSecrets::new(),
        FixedClock::new(),
        Cancel::new(),
        CollectedLog::new(),
    );
    let cx = PublishContext::new(&reference, &journal, &secrets, &artifacts, &clock, &cancel, &log);
    assert!(DirectoryPublisher::new().publish(&cx, &request).await.unwrap().changed);
    release.version().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn jobs_that_publish_under_one_name_at_once_all_succeed_and_one_of_them_is_the_latest() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let path = folder.path().to_owned();
        let jobs = (0..16).map(|job| {
            let path = path.clone();
            tokio::spawn(async move { publish(&path, round * 16 + job + 1).await })
        });
        let mut versions = Vec::new();
        for job in jobs.collect::<Vec<_>>() {
            versions.push(job.await.unwrap());
        }
        let latest = fs::read_link(folder.path().join("app/latest")).unwrap();
        assert!(versions.iter().any(|version| *version == *latest.to_str().unwrap()), "{latest:?}");
        assert!(folder.path().join("app/latest/MANIFEST.json").exists());
    }
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["app"], "nothing is left of staging");
}
