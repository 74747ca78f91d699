//! Places to publish at, for the suite, and what only they promise.

use std::{collections::BTreeMap, fs, path::Path, process::Command, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    artifact::{Artifact, ArtifactKind},
    conformance::publisher::{Place, Sample},
    fake::MemoryArtifacts,
    id::{Digest, GitOid},
    job::Job,
    plan::Base,
    release::Publication,
    traits::{ArtifactStore as _, Publisher},
};
use matrix_architect_deploy::publish::{DirectoryPublisher, GitPublisher};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::service::{archive, listing};

pub(crate) fn settings(value: Value) -> BTreeMap<String, Value> {
    serde_json::from_value(value).unwrap()
}

/// A directory to publish in.
#[derive(Debug)]
pub(crate) struct Shelf(TempDir);

impl Shelf {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[async_trait]
impl Place for Shelf {
    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(DirectoryPublisher::new().within(self.0.path()).public_key("a key\n"))
    }

    fn config(&self, name: &str) -> BTreeMap<String, Value> {
        settings(json!({ "driver": "directory", "path": self.0.path(), "name": name }))
    }

    fn broken_config(&self) -> (BTreeMap<String, Value>, &'static str) {
        (settings(json!({ "driver": "directory", "path": "relative" })), "path")
    }

    async fn complete(&self, _job: &mut Job, _artifacts: &MemoryArtifacts, label: &str) -> Bytes {
        archive(&[("label", 0o644, label)])
    }

    async fn holds(&self, publication: &Publication, sample: &Sample, bundle: &Bytes) -> bool {
        let folder = Path::new(publication.uri.strip_prefix("file://").unwrap());
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let parsed = |name: &str| serde_json::from_slice::<Value>(&read(name)).unwrap();
        let manifest = parsed("MANIFEST.json");
        for (name, digest) in manifest["files"].as_object().unwrap() {
            assert_eq!(digest, &json!(Digest::of(read(name))), "{name}");
        }
        let latest = fs::read_link(folder.with_file_name("latest")).unwrap();
        assert_eq!(folder.file_name().unwrap(), latest);
        read("bundle.tar") == *bundle
            && read("key.pem") == b"a key\n"
            && parsed("attestation.json") == json!(sample.attestation)
            && parsed("summary.json") == json!(sample.summary)
            && parsed("evidence.json") == json!(sample.job.evidence)
    }

    async fn fingerprint(&self) -> Digest {
        Digest::of(format!("{:?}", listing(self.0.path())))
    }
}

/// Gives the job a changed tree on that base, and returns the tree.
pub(crate) async fn complete(
    job: &mut Job,
    artifacts: &MemoryArtifacts,
    label: &str,
    base: GitOid,
) -> Bytes {
    let tree = archive(&[
        ("README", 0o644, label),
        ("bin/run", 0o755, "#!/bin/sh\n"),
        ("with \"quotes\" and ümlauts", 0o644, "text\n"),
    ]);
    let stored = artifacts.put(&job.tenant, &tree).await.unwrap();
    job.artifacts = vec![Artifact::new(
        ArtifactKind::Bundle,
        "tree",
        "application/x-tar",
        stored,
        job.created_at,
    )];
    job.base = Some(Base { commit: Some(base), branch: Some("main".to_owned()), tree: stored.0 });
    tree
}

/// A bare repository with one commit on `main`, made by the real git.
#[derive(Debug)]
pub(crate) struct Repository {
    folder: TempDir,
    pub(crate) base: GitOid,
}

impl Repository {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Self { folder, base: GitOid::new("0".repeat(40)).unwrap() };
        made.run(&["init", "--quiet", "--bare", "-b", "main", "."]);
        let base = made.commit_on_main("base");
        Self { base, ..made }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Moves `main` on and returns where it is.
    pub(crate) fn commit_on_main(&self, content: &str) -> GitOid {
        let blob = self.run_on(&["hash-object", "-w", "--stdin"], content);
        // A submodule, which no tree of files can tell.
        let entries =
            format!("100644 blob {blob}\tREADME\n160000 commit {}\tvendored\n", "1".repeat(40));
        let tree = self.run_on(&["mktree", "--missing"], &entries);
        let parent = self.try_run(&["rev-parse", "--verify", "-q", "refs/heads/main"]);
        let mut words = vec!["commit-tree", "-m", content, &tree];
        if let Some(parent) = &parent {
            words.extend(["-p", parent]);
        }
        let commit = self.run(&words);
        self.run(&["update-ref", "refs/heads/main", &commit]);
        GitOid::new(commit).unwrap()
    }

    pub(crate) fn run(&self, words: &[&str]) -> String {
        self.try_run(words).unwrap()
    }

    fn try_run(&self, words: &[&str]) -> Option<String> {
        let output = self.git(words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then(|| text.trim_end().to_owned())
    }

    fn run_on(&self, words: &[&str], input: &str) -> String {
        let path = self.path().join("input");
        fs::write(&path, input).unwrap();
        let output = self.git(words).stdin(fs::File::open(&path).unwrap()).output().unwrap();
        fs::remove_file(path).unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    fn git(&self, words: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(words).current_dir(self.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("GIT_CONFIG_GLOBAL", "/dev/null");
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "somebody");
            command.env(format!("GIT_{role}_EMAIL"), "somebody@localhost");
        }
        command
    }
}

#[async_trait]
impl Place for Repository {
    fn publisher(&self) -> Arc<dyn Publisher> {
        Arc::new(GitPublisher::new())
    }

    fn config(&self, name: &str) -> BTreeMap<String, Value> {
        settings(json!({ "driver": "git", "repo": self.path(), "branch": name }))
    }

    fn broken_config(&self) -> (BTreeMap<String, Value>, &'static str) {
        (settings(json!({ "driver": "git", "repo": self.path(), "branch": "a..b" })), "branch")
    }

    async fn complete(&self, job: &mut Job, artifacts: &MemoryArtifacts, label: &str) -> Bytes {
        complete(job, artifacts, label, self.base.clone()).await
    }

    async fn holds(&self, publication: &Publication, _sample: &Sample, bundle: &Bytes) -> bool {
        let listing = self.run(&["ls-tree", "-r", "-z", &publication.revision]);
        let modes: Vec<String> = listing
            .split_terminator('\0')
            .map(|line| format!("{} {}", &line[..6], line.split_once('\t').unwrap().1))
            .collect();
        let kept = [
            "100644 README",
            "100755 bin/run",
            "160000 vendored",
            "100644 with \"quotes\" and ümlauts",
        ];
        assert_eq!(modes, kept);
        let mut archive = tar::Archive::new(&bundle[..]);
        let content = std::io::read_to_string(archive.entries().unwrap().next().unwrap().unwrap());
        let (_, branch) = publication.uri.split_once('#').unwrap();
        self.run(&["rev-parse", branch]) == publication.revision
            && self.run(&["rev-parse", &format!("{branch}^")]) == self.base.as_str()
            && self.run(&["show", &format!("{branch}:README")]) == content.unwrap()
    }

    async fn fingerprint(&self) -> Digest {
        Digest::of(self.run(&["for-each-ref"]))
    }
}
