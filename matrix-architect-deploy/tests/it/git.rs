//! What only the git publisher promises, against real repositories.

use std::{fs, os::unix::fs::PermissionsExt as _};

use async_trait::async_trait;
use matrix_architect_core::{
    attest::Envelope,
    conformance::publisher::Place as _,
    error::{ErrorKind, Result},
    fake::{
        CollectedLog, FixedClock, FixedSecrets, MemoryArtifacts, MemoryJournal, gated_release, job,
        job_ref,
    },
    id::Digest,
    job::Job,
    path::RelPath,
    plan::RepoSpec,
    release::Publication,
    time::Timestamp,
    traits::{Cancel, Journal, PublishContext, PublishRequest, Publisher as _},
};
use matrix_architect_deploy::publish::GitPublisher;
use serde_json::{Value, json};

use crate::publishing::{Repository, settings};

async fn publish(job: &Job, artifacts: &MemoryArtifacts, config: Value) -> Result<Publication> {
    let (journal, cancel) = (MemoryJournal::new(), Cancel::new());
    publish_with(job, artifacts, config, (&journal, &cancel)).await
}

async fn publish_with(
    job: &Job,
    artifacts: &MemoryArtifacts,
    config: Value,
    watched: (&dyn Journal, &Cancel),
) -> Result<Publication> {
    publish_by(&GitPublisher::new(), "hunter2-secret", (job, artifacts, config), watched).await
}

/// Publishes with the secret `fixed://token`.
pub(crate) async fn publish_by(
    publisher: &GitPublisher,
    token: &str,
    (job, artifacts, config): (&Job, &MemoryArtifacts, Value),
    (journal, cancel): (&dyn Journal, &Cancel),
) -> Result<Publication> {
    let reference = job.reference();
    let secrets = FixedSecrets::new().with(&reference.tenant, "fixed://token", token)?;
    let (clock, log) = (FixedClock::new(), CollectedLog::new());
    let cx = PublishContext::new(&reference, journal, &secrets, artifacts, &clock, cancel, &log);
    let release = gated_release(&reference, Digest::of("bundle"));
    let envelope =
        Envelope { payload: String::new(), payload_type: String::new(), signatures: Vec::new() };
    let config = settings(config);
    let request = PublishRequest::new(&config, job, &release, &envelope, &envelope);
    publisher.publish(&cx, &request).await
}

async fn change(repository: &Repository, artifacts: &MemoryArtifacts) -> Job {
    let mut job = job(&job_ref(1), Timestamp::from_micros(1_735_689_600_000_000));
    repository.complete(&mut job, artifacts, "changed").await;
    job
}

#[tokio::test]
async fn a_missing_base_is_told_as_soon_as_the_job_is_known_to_name_none() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let mut job = change(&repository, &artifacts).await;
    let publisher = GitPublisher::new();
    let without = settings(json!({ "repo": repository.path() }));
    let with = settings(json!({ "repo": repository.path(), "base": "main" }));
    publisher.check(&without, Some(&job)).unwrap();
    job.base.as_mut().unwrap().branch = None;
    publisher.check(&without, None).unwrap();
    publisher.check(&with, Some(&job)).unwrap();
    let early = publisher.check(&without, Some(&job)).unwrap_err();
    assert_eq!((early.kind(), early.context_value("field")), (ErrorKind::Invalid, Some("base")));
    let late = publish(&job, &artifacts, json!({ "repo": repository.path() })).await.unwrap_err();
    assert_eq!(early.to_string(), late.to_string());
}

#[tokio::test]
async fn a_moved_base_is_a_conflict_and_nothing_is_pushed() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let job = change(&repository, &artifacts).await;
    let moved = repository.commit_on_main("somebody else's");
    let before = repository.run(&["for-each-ref"]);
    for branch in ["feature", "main"] {
        let config = json!({ "repo": repository.path(), "branch": branch });
        let error = publish(&job, &artifacts, config).await.unwrap_err();
        assert!(error.is_conflict());
        assert_eq!(error.code_str(), "base_moved");
        assert_eq!(error.context_value("found"), Some(moved.as_str()));
    }
    assert_eq!(repository.run(&["for-each-ref"]), before);
}

#[tokio::test]
async fn a_change_can_be_added_to_its_own_base_and_published_again() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let job = change(&repository, &artifacts).await;
    let config = json!({ "repo": repository.path(), "branch": "main" });
    let first = publish(&job, &artifacts, config.clone()).await.unwrap();
    let again = publish(&job, &artifacts, config).await.unwrap();
    assert_eq!((first.changed, again.changed), (true, false));
    assert_eq!(repository.run(&["rev-parse", "main"]), again.revision);
    assert_eq!(repository.run(&["rev-list", "--count", "main"]), "2");
}

/// Wishes to stop where the push begins; whether the push had its effect by then is told apart.
#[derive(Debug)]
struct StopsAtPush<'a> {
    repository: &'a Repository,
    cancel: &'a Cancel,
    lands: bool,
}

#[async_trait]
impl Journal for StopsAtPush<'_> {
    async fn intend(&self, step: &str) -> Result<Option<Digest>> {
        let commit = step.rsplit(' ').next().unwrap();
        if self.lands {
            self.repository.run(&["update-ref", "refs/heads/main", commit]);
        }
        self.cancel.cancel();
        Ok(None)
    }

    async fn done(&self, _step: &str, _digest: Digest) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_push_that_was_stopped_is_published_if_it_landed() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let job = change(&repository, &artifacts).await;
    // So that the commit, which is the same on any branch, is there to be landed.
    let feature = json!({ "repo": repository.path(), "branch": "feature" });
    let commit = publish(&job, &artifacts, feature).await.unwrap().revision;
    for lands in [false, true] {
        let cancel = Cancel::new();
        let journal = StopsAtPush { repository: &repository, cancel: &cancel, lands };
        let main = json!({ "repo": repository.path(), "branch": "main" });
        let outcome = publish_with(&job, &artifacts, main, (&journal, &cancel)).await;
        let tip = repository.run(&["rev-parse", "main"]);
        assert_eq!(tip == commit, lands);
        match outcome {
            Ok(published) => assert!(lands && published.changed && published.revision == commit),
            Err(error) => assert!(!lands && error.kind() == ErrorKind::Cancelled, "{error}"),
        }
    }
}

#[tokio::test]
async fn somebody_elses_branch_is_never_overwritten() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let job = change(&repository, &artifacts).await;
    let theirs = repository.commit_on_main("theirs");
    repository.run(&["update-ref", "refs/heads/feature", theirs.as_str()]);
    repository.run(&["update-ref", "refs/heads/main", repository.base.as_str()]);
    let config = json!({ "repo": repository.path(), "branch": "feature" });
    let error = publish(&job, &artifacts, config).await.unwrap_err();
    assert_eq!(error.code_str(), "branch_exists");
    assert_eq!(repository.run(&["rev-parse", "feature"]), theirs.as_str());
}

#[tokio::test]
async fn a_project_in_a_folder_leaves_the_rest_of_the_repository_alone() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let mut job = change(&repository, &artifacts).await;
    job.repo = RepoSpec::Local {
        path: repository.path().display().to_string(),
        reference: None,
        subfolder: Some(RelPath::new("project").unwrap()),
    };
    let published = publish(&job, &artifacts, json!({})).await.unwrap();
    let listing = repository.run(&["ls-tree", "-r", "--name-only", &published.revision]);
    let names: Vec<&str> = listing.lines().collect();
    assert!(names.contains(&"README") && names.contains(&"vendored"), "{names:?}");
    assert!(names.contains(&"project/README") && names.contains(&"project/bin/run"), "{names:?}");
    assert_eq!(repository.run(&["show", &format!("{}:README", published.revision)]), "base");
    assert!(published.uri.ends_with("#refs/heads/matrix-architect/job_00000000000000000000000001"));
}

#[tokio::test]
async fn no_hook_of_a_repository_on_this_machine_is_run() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let job = change(&repository, &artifacts).await;
    let ran = repository.path().join("ran");
    for hook in ["pre-receive", "update", "post-receive", "post-update", "reference-transaction"] {
        let path = repository.path().join("hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\ntouch {}\n", ran.display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    repository.run(&[
        "config",
        "core.hooksPath",
        repository.path().join("hooks").to_str().unwrap(),
    ]);
    publish(&job, &artifacts, json!({ "repo": repository.path(), "branch": "feature" }))
        .await
        .unwrap();
    assert!(!ran.exists());
}

#[tokio::test]
async fn a_dead_server_is_one_clear_error_without_the_secret() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let job = change(&repository, &artifacts).await;
    let url = format!("https://127.0.0.1:{}/x.git", crate::service::free_port());
    let config = json!({ "repo": url, "credentials": "fixed://token" });
    let error = publish(&job, &artifacts, config).await.unwrap_err();
    let text = format!("{error:?} {error}");
    assert!(error.is_retryable(), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_missing_repository_and_a_plain_folder_are_told_apart() {
    let (repository, artifacts) = (Repository::new(), MemoryArtifacts::new());
    let mut job = change(&repository, &artifacts).await;
    let config = json!({ "repo": repository.path().join("nowhere"), "branch": "feature" });
    let error = publish(&job, &artifacts, config.clone()).await.unwrap_err();
    assert_eq!(error.code_str(), "repository_not_found", "{error}");
    job.base.as_mut().unwrap().commit = None;
    let error = publish(&job, &artifacts, config).await.unwrap_err();
    assert_eq!(error.code_str(), "no_base_commit", "{error}");
}
