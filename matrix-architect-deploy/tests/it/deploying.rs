//! Deploying the sample service as the engine would, and what only this deployer promises.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use matrix_architect_core::{
    conformance::deployer::{Sample, Target as _},
    error::Result,
    fake::{
        CollectedLog, FixedClock, FixedSecrets, MemoryArtifacts, MemoryJournal, gated_release,
        job_ref,
    },
    release::{Release, ReleaseRef},
    traits::{
        ArtifactStore as _, Cancel, DeployContext, DeployRequest, Deployer as _, Fence, LogQuery,
        RollbackRequest,
    },
};
use matrix_architect_deploy::systemd::SystemdDeployer;
use serde_json::json;

use crate::service::{Folder, bundle, config, listing, variables};

const SECRET: &str = "correct-horse \"battery\" $taple\\";

/// Whose turn it is: a job, and the token it comes with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    job: u64,
    fence: u64,
}

impl From<u64> for Turn {
    /// The job and its token have the same number.
    fn from(number: u64) -> Self {
        Self { job: number, fence: number }
    }
}

impl From<(u64, u64)> for Turn {
    /// The job comes with a later token.
    fn from((job, fence): (u64, u64)) -> Self {
        Self { job, fence }
    }
}

/// A deployer at work on a folder.
#[derive(Debug)]
pub(crate) struct Deploying<'a> {
    folder: &'a Folder,
    pub(crate) deployer: SystemdDeployer,
    artifacts: MemoryArtifacts,
    pub(crate) log: CollectedLog,
}

impl<'a> Deploying<'a> {
    pub(crate) fn on(folder: &'a Folder) -> Self {
        Self {
            folder,
            deployer: SystemdDeployer::new(Arc::new(FixedClock::new())),
            artifacts: MemoryArtifacts::new(),
            log: CollectedLog::new(),
        }
    }

    pub(crate) async fn request(&self, number: u64, bundle: impl Into<Vec<u8>>) -> DeployRequest {
        let job = job_ref(number.into());
        let (digest, _) = self.artifacts.put(&job.tenant, &bundle.into()).await.unwrap();
        let config = config(self.folder.path(), "staging", self.folder.ports["staging"]);
        DeployRequest { config, release: gated_release(&job, digest) }
    }

    pub(crate) async fn apply(
        &self,
        turn: impl Into<Turn>,
        request: &DeployRequest,
    ) -> Result<Release> {
        let turn = turn.into();
        let (job, secrets) = (job_ref(turn.job.into()), secrets());
        let (journal, clock, cancel) = (MemoryJournal::new(), FixedClock::new(), Cancel::new());
        let cx = DeployContext::new(
            &job,
            Fence(turn.fence),
            &journal,
            &secrets,
            &self.artifacts,
            &clock,
            &cancel,
            &self.log,
        );
        self.deployer.apply(&cx, request).await
    }

    pub(crate) async fn apply_bundle(
        &self,
        turn: impl Into<Turn>,
        bundle: Vec<u8>,
    ) -> Result<Release> {
        let turn = turn.into();
        let request = self.request(turn.job, bundle).await;
        self.apply(turn, &request).await
    }

    pub(crate) async fn healthy(&self, turn: impl Into<Turn>, label: &str) -> Result<Release> {
        self.apply_bundle(turn, bundle(label, Sample::Healthy).to_vec()).await
    }

    pub(crate) async fn roll_back(
        &self,
        turn: impl Into<Turn>,
        failed: &ReleaseRef,
    ) -> Result<Option<Release>> {
        let turn = turn.into();
        let (job, secrets) = (job_ref(turn.job.into()), secrets());
        let (journal, clock, cancel) = (MemoryJournal::new(), FixedClock::new(), Cancel::new());
        let cx = DeployContext::new(
            &job,
            Fence(turn.fence),
            &journal,
            &secrets,
            &self.artifacts,
            &clock,
            &cancel,
            &self.log,
        );
        let config = config(self.folder.path(), "staging", self.folder.ports["staging"]);
        let request = RollbackRequest { config, failed: failed.clone(), to: None };
        self.deployer.rollback(&cx, &request).await
    }
}

fn secrets() -> FixedSecrets {
    let tenant = job_ref(1).tenant;
    FixedSecrets::new().with(&tenant, "fixed://token", SECRET).unwrap()
}

/// Processes whose command line or environment names the folder.
fn processes(folder: &Folder) -> usize {
    let name = folder.path().to_str().unwrap().to_owned();
    let all = fs::read_dir("/proc").unwrap().flatten();
    let command_lines = all.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    command_lines.filter(|line| String::from_utf8_lossy(line).contains(&name)).count()
}

/// Files by kind of place, without what only grows: history and its deployments' numbers.
fn shape(folder: &Folder) -> BTreeMap<PathBuf, usize> {
    let mut shape = BTreeMap::new();
    for path in listing(&folder.place("staging")).into_keys() {
        let path = path.strip_prefix(folder.place("staging")).unwrap();
        let parts: PathBuf = path.components().take(1).collect();
        *shape.entry(parts).or_default() += 1;
    }
    shape
}

#[tokio::test]
async fn twenty_deploys_and_rollbacks_leave_no_process_and_no_file_behind() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    deploying.healthy(1, "base").await.unwrap();
    let mut settled = None;
    for cycle in 1..=20 {
        let release = deploying.healthy(cycle * 2, &format!("release {cycle}")).await.unwrap();
        assert!(release.changed);
        let back = deploying
            .roll_back((cycle * 2, cycle * 2 + 1), &release.reference)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(Some(back.reference.version), release.previous);
        assert_eq!(folder.serving("staging").await.as_deref(), Some("base"));
        assert_eq!(processes(&folder), 1, "one server after cycle {cycle}");
        // `keep` is 3: from then on every new one takes the place of an old one.
        if cycle >= 4 {
            let before = settled.get_or_insert_with(|| shape(&folder));
            assert_eq!(*before, shape(&folder), "after cycle {cycle}");
        }
    }
    let last = deploying.healthy(100, "base").await.unwrap();
    assert!(!last.changed);
    let left = deploying.roll_back((1, 101), &last.reference).await.unwrap().unwrap();
    assert!(!left.changed, "the last job relies on it");
    assert_eq!(deploying.roll_back((100, 102), &last.reference).await.unwrap(), None);
    assert_eq!(processes(&folder), 0);
    let left: Vec<_> = shape(&folder).into_keys().collect();
    assert_eq!(left, [".lock", "history.jsonl"].map(PathBuf::from));
}

#[tokio::test]
async fn a_number_is_not_used_again_after_a_rollback_to_nothing() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    let live = || fs::read_link(folder.place("staging").join("live")).unwrap();
    for number in 1..=3 {
        let release = deploying.healthy(number, "only").await.unwrap();
        assert_eq!(live(), PathBuf::from(format!("slots/{number}")));
        let back = deploying.roll_back((number, number + 1), &release.reference).await.unwrap();
        assert_eq!(back, None);
    }
}

#[tokio::test]
async fn a_secret_reaches_the_service_and_nothing_else() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    let mut request = deploying.request(1, bundle("one", Sample::Healthy)).await;
    let mut variables = variables(folder.path(), "staging", folder.ports["staging"]);
    variables["TOKEN"] = json!({ "secret": "fixed://token" });
    request.config.config.insert("variables".to_owned(), variables.clone());
    let preview = format!("{:?}", deploying.deployer.preview(&request).await.unwrap());
    assert!(preview.contains("fixed://token") && !preview.contains("correct-horse"));
    let release = deploying.apply(1, &request).await.unwrap();
    let server = fs::read_to_string(folder.path().join("staging.pid")).unwrap();
    let environ = fs::read(format!("/proc/{}/environ", server.trim())).unwrap();
    assert!(String::from_utf8_lossy(&environ).contains(&format!("TOKEN={SECRET}\0")));
    let file = folder.place("staging").join("live/environment");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    for (path, content) in listing(folder.path()) {
        let named = String::from_utf8_lossy(&content).contains("correct-horse");
        assert_eq!(named, path.ends_with("environment"), "{}", path.display());
    }
    // A release that says its secret aloud as it fails.
    let tattler = [
        ("bin/restart", 0o755, "#!/bin/sh\necho \"my token is $TOKEN\"\nexit 1\n"),
        ("bin/restart.stop", 0o755, "#!/bin/sh\n"),
    ];
    let mut bad = deploying.request(2, crate::service::archive(&tattler)).await;
    bad.config.config.insert("variables".to_owned(), variables);
    let error = deploying.apply(2, &bad).await.unwrap_err();
    let text = format!("{error:?} {error} {}", deploying.log.text());
    assert_eq!(error.code_str(), "unhealthy");
    assert!(text.contains("my token is ***"), "{text}");
    assert!(!text.contains("correct-horse"), "{text}");
    assert!(!format!("{release:?}").contains("correct-horse"));
}

#[tokio::test]
async fn a_damaged_release_is_unpacked_anew_and_an_intact_one_is_not() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    let first = deploying.healthy(1, "one").await.unwrap();
    deploying.healthy(2, "two").await.unwrap();
    let label =
        folder.place("staging").join("releases").join(&first.reference.version).join("label");
    fs::write(&label, "forged").unwrap();
    let again = deploying.healthy(3, "one").await.unwrap();
    assert!(again.changed);
    assert_eq!(folder.serving("staging").await.as_deref(), Some("one"));
    assert!(!deploying.log.text().contains("on disk already"));
    // Added files do not matter; the one that serves is repaired in place.
    fs::write(label.with_file_name("cache"), "x").unwrap();
    assert!(!deploying.healthy(4, "one").await.unwrap().changed);
    fs::write(&label, "forged").unwrap();
    assert!(deploying.healthy(5, "one").await.unwrap().changed);
    assert_eq!(folder.serving("staging").await.as_deref(), Some("one"));
    deploying.healthy(6, "two").await.unwrap();
    assert!(deploying.log.text().contains("on disk already"));
}

#[tokio::test]
async fn new_settings_of_the_same_version_are_a_deployment_and_can_be_taken_back() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    let first = deploying.request(1, bundle("one", Sample::Healthy)).await;
    deploying.apply(1, &first).await.unwrap();
    let mut second = deploying.request(2, bundle("one", Sample::Healthy)).await;
    let mut settings = variables(folder.path(), "staging", folder.ports["staging"]);
    settings["MODE"] = json!("fast");
    second.config.config.insert("variables".to_owned(), settings);
    let release = deploying.apply(2, &second).await.unwrap();
    assert!(release.changed);
    let environment =
        || fs::read_to_string(folder.place("staging").join("live/environment")).unwrap();
    assert!(environment().contains("MODE=\"fast\""));
    let back = deploying.roll_back(2, &release.reference).await.unwrap().unwrap();
    assert!(back.changed && !environment().contains("MODE"));
    let again = deploying.roll_back(2, &release.reference).await.unwrap().unwrap();
    assert!(!again.changed, "it is not taken for a rollback of the first");
    assert_eq!(folder.serving("staging").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_job_that_deployed_twice_is_taken_back_to_what_was_before_it() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    deploying.healthy(1, "one").await.unwrap();
    let second = deploying.healthy((2, 2), "two").await.unwrap();
    // What was resumed finds its release damaged and deploys it anew.
    let releases = folder.place("staging").join("releases");
    fs::write(releases.join(&second.reference.version).join("label"), "forged").unwrap();
    let again = deploying.healthy((2, 3), "two").await.unwrap();
    assert_eq!((again.changed, &again.previous), (true, &second.previous));
    deploying.roll_back((2, 4), &again.reference).await.unwrap().unwrap();
    assert_eq!(folder.serving("staging").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_release_that_does_not_start_is_given_up_before_its_time_and_the_old_one_answers() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    deploying.healthy(1, "one").await.unwrap();
    let broken =
        [("bin/restart", 0o755, "#!/bin/sh\nexit 7\n"), ("bin/restart.stop", 0o755, "#!/bin/sh\n")];
    let mut second = deploying.request(2, crate::service::archive(&broken)).await;
    // Nobody would wait for its end here.
    second.config.config.get_mut("health").unwrap()["timeout_ms"] = json!(3_600_000);
    let error = deploying.apply(2, &second).await.unwrap_err();
    assert_eq!(error.code_str(), "unhealthy");
    assert_eq!(folder.serving("staging").await.as_deref(), Some("one"));
}

#[tokio::test]
async fn a_root_the_operator_did_not_name_is_denied() {
    let folder = Folder::new();
    let mut deploying = Deploying::on(&folder);
    deploying.deployer = deploying.deployer.clone().within("/srv/allowed");
    let error = deploying.healthy(1, "one").await.unwrap_err();
    assert_eq!(error.context_value("field"), Some("root"));
    assert!(listing(folder.path()).is_empty());
}

#[tokio::test]
async fn the_old_releases_log_can_be_read_while_the_new_one_serves() {
    let folder = Folder::new();
    let deploying = Deploying::on(&folder);
    let first = deploying.healthy(1, "first-label").await.unwrap();
    deploying.healthy(2, "second-label").await.unwrap();
    let config = folder.config("staging");
    let query = LogQuery::default().tail(1);
    let log = deploying.deployer.logs(&config, &first.reference, &query).await.unwrap();
    assert_eq!(&log.collect(1 << 10).await.unwrap()[..], b"starting first-label\n");
}

/// A small file system of its own, gone with the test.
#[derive(Debug)]
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(path: PathBuf) -> Option<Self> {
        use rustix::mount::{MountFlags, mount};
        let options = c"size=3m";
        let mounted = mount("tmpfs", &path, "tmpfs", MountFlags::empty(), Some(options));
        mounted.is_ok().then_some(Self(path))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn a_full_disk_leaves_the_old_release_live_with_a_clear_error() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path().join("staging")).unwrap();
    let Some(disk) = SmallDisk::mount(folder.path().join("staging")) else {
        crate::service::skipped("mounting a small file system needs root");
        return;
    };
    let deploying = Deploying::on(&folder);
    deploying.healthy(1, "one").await.unwrap();
    let large = "x".repeat(4 << 20);
    let files = [("bin/restart", 0o755, "#!/bin/sh\n"), ("large", 0o644, large.as_str())];
    let answer = deploying.apply_bundle(2, crate::service::archive(&files).to_vec()).await;
    let error = answer.unwrap_err();
    assert_eq!(error.code_str(), "disk_full", "{error:?}");
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(folder.serving("staging").await.as_deref(), Some("one"));
    // Full to the last byte while a bad release is live: the way back needs none.
    let bad = deploying.request(3, bundle("bad", Sample::Unhealthy)).await;
    let filler = disk.0.join("filler");
    let full = filler.clone();
    let deploying = Deploying {
        deployer: deploying.deployer.clone().with_checkpoint(move |step| {
            if step == "switched" {
                let _ = fs::write(&full, vec![0; 8 << 20]);
            }
        }),
        ..deploying
    };
    let error = deploying.apply(3, &bad).await.unwrap_err();
    assert_eq!(error.code_str(), "unhealthy", "{error:?}");
    assert!(filler.exists());
    fs::remove_file(filler).unwrap();
    deploying.healthy(4, "four").await.unwrap();
    assert_eq!(folder.serving("staging").await.as_deref(), Some("four"));
    drop(disk);
}
