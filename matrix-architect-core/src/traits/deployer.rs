//! Putting a release where it belongs.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{ArtifactStore, ByteStream, Cancel, Clock, Fence, Journal, SecretStore};
use crate::{
    error::Result,
    release::{DeploymentConfig, Fencing, GatedRelease, Health, Release, ReleaseRef},
    tenant::JobRef,
};

/// What a deployer can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DeployCapabilities {
    /// Its registered name.
    pub driver: String,
    /// How the target is fenced.
    pub fencing: Fencing,
    /// Whether it can go back to the release before.
    pub rollback: bool,
    /// Whether it can look at a release's health.
    pub health: bool,
    /// Whether it can fetch a release's logs.
    pub logs: bool,
}

impl DeployCapabilities {
    /// A deployer that can all of it.
    pub fn full(driver: impl Into<String>, fencing: Fencing) -> Self {
        Self { driver: driver.into(), fencing, rollback: true, health: true, logs: true }
    }
}

/// What is deployed where.
#[derive(Clone, Debug)]
pub struct DeployRequest {
    /// Where and how.
    pub config: DeploymentConfig,
    /// What; only the gate makes one.
    pub release: GatedRelease,
}

impl DeployRequest {
    /// The release's name at the target.
    pub fn reference(&self) -> ReleaseRef {
        ReleaseRef {
            driver: self.config.driver().to_owned(),
            environment: self.config.environment.clone(),
            service: self.config.service().to_owned(),
            version: self.release.version().to_owned(),
        }
    }
}

/// What is undone.
#[derive(Clone, Debug)]
pub struct RollbackRequest {
    /// Where and how.
    pub config: DeploymentConfig,
    /// The release that is taken back; the context's job may have applied it fully, partly or not
    /// at all. Another job may have put the same version there, or rely on it: then it stays.
    pub failed: ReleaseRef,
    /// The version to return to; `None` means the deployer's own record of what was before, or
    /// nothing at all if this was the first release.
    pub to: Option<String>,
}

/// Takes a deployer's words for the job's log.
pub trait LogSink: Debug + Send + Sync {
    /// A line, without its end; redacted on the way.
    fn line(&self, line: &str);
}

/// With what a deployer works.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeployContext<'a> {
    /// For which job.
    pub job: &'a JobRef,
    /// The token of the target's lock.
    pub fence: Fence,
    /// What cannot be done twice is written here first.
    pub journal: &'a dyn Journal,
    /// Secrets, resolved late.
    pub secrets: &'a dyn SecretStore,
    /// Where the bundle is.
    pub artifacts: &'a dyn ArtifactStore,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// The job's log.
    pub log: &'a dyn LogSink,
}

impl<'a> DeployContext<'a> {
    /// A context of all its parts.
    #[expect(clippy::too_many_arguments, reason = "the one place where all parts come together")]
    pub fn new(
        job: &'a JobRef,
        fence: Fence,
        journal: &'a dyn Journal,
        secrets: &'a dyn SecretStore,
        artifacts: &'a dyn ArtifactStore,
        clock: &'a dyn Clock,
        cancel: &'a Cancel,
        log: &'a dyn LogSink,
    ) -> Self {
        Self { job, fence, journal, secrets, artifacts, clock, cancel, log }
    }
}

/// One thing an apply would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedChange {
    /// Create, update, delete, restart, switch.
    pub action: String,
    /// What.
    pub object: String,
    /// A diff or a sentence, without secrets.
    pub detail: String,
}

/// What an apply would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeployPlan {
    /// In order; empty if the release is live already.
    pub changes: Vec<PlannedChange>,
    /// The version that serves now.
    pub current: Option<String>,
}

/// Which of a release's logs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LogQuery {
    /// Only the last so many lines; all if `None`.
    pub tail: Option<usize>,
}

impl LogQuery {
    /// Only the last so many lines.
    #[must_use]
    pub const fn tail(mut self, lines: usize) -> Self {
        self.tail = Some(lines);
        self
    }
}

/// Splits traffic between two versions.
#[async_trait]
pub trait TrafficRouter: Debug + Send + Sync {
    /// Sends this many per cent to the version.
    async fn shift(&self, release: &ReleaseRef, percent: u8) -> Result<()>;
}

/// Puts releases where they belong, and takes them back.
///
/// # Contract
/// 1. `a_preview_changes_nothing` and names what an apply would do.
/// 2. `an_applied_release_serves`: its health is healthy and it is the current version.
/// 3. `applying_twice_changes_nothing`: the second answer says `changed: false`.
/// 4. `an_unhealthy_release_is_rolled_back` by the deployer itself before it answers with an
///    error of code `unhealthy`; what served before serves again, and that was checked.
/// 5. `a_rollback_returns_to_the_release_before`.
/// 6. `a_rollback_of_a_first_release_leaves_nothing`.
/// 7. `a_rollback_may_be_repeated`, and of a release that was never applied changes nothing.
/// 8. `an_older_fence_is_refused`: `Fenced`, where `fencing` is `Target`.
/// 9. `a_broken_config_is_invalid` and says which field, before anything is touched.
/// 10. `a_cancelled_apply_leaves_the_old_release`.
/// 11. `the_logs_are_the_releases_own`.
/// 12. `another_environment_is_untouched`.
/// 13. `another_jobs_release_stays`: a rollback takes back what the context's job put there, in
///     whichever of its attempts, and nothing else; the version alone does not tell whose it is.
/// 14. `a_release_stays_while_another_job_relies_on_it`: a job whose apply found the release live
///     relies on it from then on, whoever put it there. The last job that does takes it back.
/// 15. `what_was_taken_back_stays_away`: no rollback of another job returns to a release whose own
///     job took it back, also if it was not live any more when that job did.
/// 16. `a_check_refuses_what_an_apply_would`, in the same words, and nothing else.
///
/// # Idempotence
/// `apply` and `rollback` may be repeated after a crash at any point and end in old or new.
///
/// # Cancellation
/// `apply` and `rollback` look at the context's `Cancel` and are never dropped.
#[async_trait]
pub trait Deployer: Debug + Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> DeployCapabilities;

    /// Whether it takes the settings: asked when a job is submitted, and again before its first target
    /// is touched. A deployer that reads settings reads them here, too; one that takes any has
    /// nothing to do. It looks at the settings alone, and nowhere else.
    ///
    /// # Errors
    /// What `apply` would answer to these settings, before anything is touched.
    fn check(&self, config: &DeploymentConfig) -> Result<()> {
        let _ = config;
        Ok(())
    }

    /// What an apply would do. Changes nothing.
    async fn preview(&self, request: &DeployRequest) -> Result<DeployPlan>;

    /// Makes the release live.
    async fn apply(&self, cx: &DeployContext<'_>, request: &DeployRequest) -> Result<Release>;

    /// Takes the job's release back. Returns what serves now; `None` if nothing does.
    async fn rollback(
        &self,
        cx: &DeployContext<'_>,
        request: &RollbackRequest,
    ) -> Result<Option<Release>>;

    /// Looks whether a release serves.
    async fn health(&self, config: &DeploymentConfig, release: &ReleaseRef) -> Result<Health>;

    /// A release's logs.
    async fn logs(
        &self,
        config: &DeploymentConfig,
        release: &ReleaseRef,
        query: &LogQuery,
    ) -> Result<ByteStream>;

    /// How traffic is split, if it can be.
    fn traffic(&self) -> Option<&dyn TrafficRouter> {
        None
    }
}
