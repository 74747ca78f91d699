//! Making a change public.

use std::{collections::BTreeMap, fmt::Debug};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ArtifactStore, Cancel, Clock, Journal, LogSink, SecretStore};
use crate::{
    attest::Envelope,
    error::Result,
    job::Job,
    release::{GatedRelease, Publication},
    tenant::JobRef,
};

/// What a publisher can do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PublishCapabilities {
    /// Its registered name.
    pub driver: String,
    /// Whether what it publishes can be taken back. Irreversible publishers run last.
    pub reversible: bool,
}

impl PublishCapabilities {
    /// Capabilities of their parts.
    pub fn new(driver: impl Into<String>, reversible: bool) -> Self {
        Self { driver: driver.into(), reversible }
    }
}

/// What is published.
#[derive(Debug)]
#[non_exhaustive]
pub struct PublishRequest<'a> {
    /// The publisher's own settings.
    pub config: &'a BTreeMap<String, Value>,
    /// The job, with plan, evidence and releases.
    pub job: &'a Job,
    /// What the gate let through.
    pub release: &'a GatedRelease,
    /// The signed statement of the job so far.
    pub attestation: &'a Envelope,
    /// The signed verification summary.
    pub summary: &'a Envelope,
}

impl<'a> PublishRequest<'a> {
    /// A request of all its parts.
    pub const fn new(
        config: &'a BTreeMap<String, Value>,
        job: &'a Job,
        release: &'a GatedRelease,
        attestation: &'a Envelope,
        summary: &'a Envelope,
    ) -> Self {
        Self { config, job, release, attestation, summary }
    }
}

/// With what a publisher works.
#[derive(Debug)]
#[non_exhaustive]
pub struct PublishContext<'a> {
    /// For which job.
    pub job: &'a JobRef,
    /// What cannot be done twice is written here first.
    pub journal: &'a dyn Journal,
    /// Secrets, resolved late.
    pub secrets: &'a dyn SecretStore,
    /// Where bundle and reports are.
    pub artifacts: &'a dyn ArtifactStore,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// The job's log.
    pub log: &'a dyn LogSink,
}

impl<'a> PublishContext<'a> {
    /// A context of all its parts.
    pub fn new(
        job: &'a JobRef,
        journal: &'a dyn Journal,
        secrets: &'a dyn SecretStore,
        artifacts: &'a dyn ArtifactStore,
        clock: &'a dyn Clock,
        cancel: &'a Cancel,
        log: &'a dyn LogSink,
    ) -> Self {
        Self { job, journal, secrets, artifacts, clock, cancel, log }
    }
}

/// Makes a change public.
///
/// # Contract
/// 1. `what_was_published_can_be_read`: bundle, attestation and summary, or the changed tree,
///    whichever it publishes, byte for byte.
/// 2. `publishing_twice_changes_nothing`: the second answer says `changed: false`.
/// 3. `other_content_under_a_published_name_is_a_conflict`: nothing is ever overwritten.
/// 4. `a_broken_config_is_invalid` and says which field, before anything is touched.
/// 5. `a_cancelled_publish_leaves_nothing_half_done`.
/// 6. `a_check_refuses_what_a_publish_would`, in the same words, and nothing else.
///
/// # Idempotence
/// May be repeated after a crash at any point.
///
/// # Cancellation
/// Looks at the context's `Cancel` and is never dropped.
#[async_trait]
pub trait Publisher: Debug + Send + Sync + 'static {
    /// What it can do.
    fn capabilities(&self) -> PublishCapabilities;

    /// Whether it takes the settings: asked when a job is submitted, without a job, and again before its
    /// first target is touched, with it: what only the job can tell, such as the branch it stands on,
    /// is known by then. A publisher that reads settings reads them here, too; one that takes any has
    /// nothing to do. It looks at what it is given, and nowhere else.
    ///
    /// # Errors
    /// What `publish` would answer to these settings, before anything is touched.
    fn check(&self, config: &BTreeMap<String, Value>, job: Option<&Job>) -> Result<()> {
        let _ = (config, job);
        Ok(())
    }

    /// Publishes.
    async fn publish(
        &self,
        cx: &PublishContext<'_>,
        request: &PublishRequest<'_>,
    ) -> Result<Publication>;
}
