//! Publishing to real servers: OpenSSH, and Apache with `git http-backend`.

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    fake::{MemoryArtifacts, MemoryJournal, job, job_ref},
    git::GitAccess,
    id::{Digest, GitOid},
    job::Job,
    release::Publication,
    time::Timestamp,
    traits::{Cancel, Journal},
};
use matrix_architect_deploy::publish::GitPublisher;
use matrix_architect_forge::{Forge, HttpsServer, Repository, SshServer};
use serde_json::json;

use crate::{git::publish_by, publishing::complete};

/// A repository behind both servers, and a change to its first commit.
struct World {
    repository: Repository,
    https: HttpsServer,
    ssh: SshServer,
    _forge: Forge,
    artifacts: MemoryArtifacts,
    job: Job,
}

/// How a push goes.
struct Way {
    url: String,
    secret: String,
}

impl World {
    async fn find() -> Option<Self> {
        let forge = Forge::find()?;
        let repository = forge.repository("app.git");
        let base = repository.commit("main", &[("README", "base\n")]);
        let artifacts = MemoryArtifacts::new();
        let mut job = job(&job_ref(1), Timestamp::from_micros(1_735_689_600_000_000));
        complete(&mut job, &artifacts, "changed\n", GitOid::new(base).unwrap()).await;
        let (https, ssh) = (forge.https(), forge.ssh());
        Some(Self { repository, https, ssh, _forge: forge, artifacts, job })
    }

    fn ways(&self) -> [Way; 2] {
        [
            Way { url: self.https.url("app.git"), secret: self.https.token().to_owned() },
            Way { url: self.ssh.url("app.git"), secret: self.ssh.key().to_owned() },
        ]
    }

    fn access(&self) -> GitAccess {
        GitAccess {
            ca_file: Some(self.https.ca_file()),
            ssh_known_hosts: Some(self.ssh.known_hosts()),
            ..GitAccess::default()
        }
    }

    async fn publish(&self, way: &Way, branch: &str) -> Result<Publication> {
        self.publish_while(way, branch, &MemoryJournal::new()).await
    }

    async fn publish_while(
        &self,
        way: &Way,
        branch: &str,
        journal: &dyn Journal,
    ) -> Result<Publication> {
        let publisher = GitPublisher::new().access(self.access());
        let config = json!({ "repo": way.url, "branch": branch, "credentials": "fixed://token" });
        let what = (&self.job, &self.artifacts, config);
        publish_by(&publisher, &way.secret, what, (journal, &Cancel::new())).await
    }
}

#[tokio::test]
async fn a_branch_is_pushed_over_https_and_over_ssh() {
    let Some(world) = World::find().await else { return };
    for (way, branch) in world.ways().iter().zip(["by-https", "by-ssh"]) {
        let published = world.publish(way, branch).await.unwrap();
        assert_eq!(published.uri, format!("git+{}#refs/heads/{branch}", way.url));
        assert_eq!(world.repository.tip(branch).as_deref(), Some(published.revision.as_str()));
        let readme = world.repository.git(&["show", &format!("{branch}:README")]);
        assert_eq!(readme, "changed");
        // A second time there is nothing to do.
        assert!(published.changed && !world.publish(way, branch).await.unwrap().changed);
    }
}

/// Moves the branch when the push is about to begin.
#[derive(Debug)]
struct MovesBranch<'a>(&'a Repository);

#[async_trait]
impl Journal for MovesBranch<'_> {
    async fn intend(&self, _step: &str) -> Result<Option<Digest>> {
        self.0.commit("main", &[("theirs", "theirs\n")]);
        Ok(None)
    }

    async fn done(&self, _step: &str, _digest: Digest) -> Result<()> {
        Err(Error::unexpected("nothing was done"))
    }
}

#[tokio::test]
async fn a_branch_that_moved_in_the_last_moment_is_a_conflict_and_stays() {
    let Some(world) = World::find().await else { return };
    let base = world.job.base.as_ref().unwrap().commit.clone().unwrap();
    for way in world.ways() {
        let journal = MovesBranch(&world.repository);
        let error = world.publish_while(&way, "main", &journal).await.unwrap_err();
        assert!(error.is_conflict(), "{error}");
        assert_eq!(error.code_str(), "base_moved");
        let theirs = world.repository.git(&["show", "main:theirs"]);
        assert_eq!(theirs, "theirs");
        // And one that had moved before.
        let error = world.publish(&way, "main").await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Conflict, "base_moved"));
        world.repository.git(&["update-ref", "refs/heads/main", base.as_str()]);
    }
}

#[tokio::test]
async fn somebody_elses_branch_on_a_server_is_left_alone() {
    let Some(world) = World::find().await else { return };
    let theirs = world.repository.commit("feature", &[("theirs", "theirs\n")]);
    for way in world.ways() {
        let error = world.publish(&way, "feature").await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Conflict, "branch_exists"));
        assert_eq!(world.repository.tip("feature").as_deref(), Some(theirs.as_str()));
    }
}

#[tokio::test]
async fn a_protected_branch_is_refused_with_the_servers_words() {
    let Some(world) = World::find().await else { return };
    world.repository.hook("update", "echo 'main is protected: ask the release team' >&2\nexit 1");
    for way in world.ways() {
        let error = world.publish(&way, "main").await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "push_refused"));
        let said = error.context_value("server").unwrap();
        assert!(said.contains("main is protected: ask the release team"), "{said}");
    }
    assert_eq!(
        world.repository.tip("main").as_deref(),
        world.job.base.as_ref().unwrap().commit.as_ref().map(GitOid::as_str)
    );
}

#[tokio::test]
async fn a_secret_that_may_not_push_is_refused_and_named_nowhere() {
    let Some(world) = World::find().await else { return };
    let [mut https, mut ssh] = world.ways();
    https.secret = "hunter2".to_owned();
    ssh.secret = world.ssh.other_key("");
    for way in [https, ssh] {
        let error = world.publish(&way, "feature").await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, "authentication_failed"));
        let said = format!("{error:?} {error}");
        assert!(!said.contains(way.secret.lines().nth(1).unwrap_or(&way.secret)), "{said}");
    }
    assert_eq!(world.repository.tip("feature"), None);
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_pushed_to() {
    let Some(world) = World::find().await else { return };
    let unsure = [
        ("untrusted_certificate", GitAccess { ca_file: None, ..world.access() }),
        (
            "host_key_changed",
            GitAccess { ssh_known_hosts: Some(world.ssh.changed_known_hosts()), ..world.access() },
        ),
    ];
    for (way, (code, access)) in world.ways().iter().zip(unsure) {
        let publisher = GitPublisher::new().access(access);
        let config = json!({ "repo": way.url, "branch": "x", "credentials": "fixed://token" });
        let what = (&world.job, &world.artifacts, config);
        let watched = (&MemoryJournal::new() as &dyn Journal, &Cancel::new());
        let error = publish_by(&publisher, &way.secret, what, watched).await.unwrap_err();
        assert_eq!((error.kind(), error.code_str()), (ErrorKind::Denied, code), "{error}");
    }
    assert_eq!(world.https.seen(), []);
    assert!(world.ssh.logs("[preauth]"));
    assert!(!world.ssh.log().contains("publickey"));
}
