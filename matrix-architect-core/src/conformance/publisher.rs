//! Making a change public: every promise of [`Publisher`].
#![expect(clippy::missing_panics_doc, reason = "a case panics where the backend breaks its word")]
#![expect(clippy::missing_errors_doc, reason = "an error fails the case")]

use std::{collections::BTreeMap, fmt::Debug, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;

use super::check::refused;
use crate::{
    attest::Envelope,
    error::{ErrorKind, Result},
    fake::{
        CollectedLog, FixedClock, MemoryArtifacts, MemoryJournal, NoSecrets, gated_release, job,
        job_ref,
    },
    id::Digest,
    job::Job,
    release::{GatedRelease, Publication},
    tenant::JobRef,
    time::Timestamp,
    traits::{ArtifactStore as _, Cancel, PublishContext, PublishRequest, Publisher},
};

/// Expands to one test per promise of [`Publisher`]. The expression makes a [`Place`] where nothing
/// is published yet.
#[macro_export]
macro_rules! publisher_suite {
    ($place:expr) => {
        $crate::__conformance_tests!(
            publisher,
            $place,
            [
                what_was_published_can_be_read,
                publishing_twice_changes_nothing,
                other_content_under_a_published_name_is_a_conflict,
                two_changes_are_published_beside_each_other,
                a_lost_lease_publishes_nothing,
                a_damaged_artifact_is_never_published,
                a_broken_config_is_invalid,
                a_check_refuses_what_a_publish_would,
                a_cancelled_publish_leaves_nothing_half_done,
            ]
        );
    };
}

/// A change that is published: what the engine would hand over.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The job, with the artifacts a publisher may look for.
    pub job: Job,
    /// What the gate let through.
    pub release: GatedRelease,
    /// The signed statement.
    pub attestation: Envelope,
    /// The signed verification summary.
    pub summary: Envelope,
}

/// A place to publish at, and a way to read it without the publisher.
#[async_trait]
pub trait Place: Debug + Send + Sync {
    /// The publisher under test.
    fn publisher(&self) -> Arc<dyn Publisher>;

    /// Its settings. `name` is the name under which it publishes: the same name is the same place.
    fn config(&self, name: &str) -> BTreeMap<String, Value>;

    /// Settings with a mistake, and the name of the field that has it.
    fn broken_config(&self) -> (BTreeMap<String, Value>, &'static str);

    /// Completes a job as the engine would, and returns the content its bundle shall have: what
    /// carries the label. Artifacts beside the bundle go into `artifacts`.
    async fn complete(&self, job: &mut Job, artifacts: &MemoryArtifacts, label: &str) -> Bytes;

    /// Says whether all that this publisher publishes of the sample can be read at the place, byte
    /// for byte.
    async fn holds(&self, publication: &Publication, sample: &Sample, bundle: &Bytes) -> bool;

    /// A digest of everything at the place: equal if nothing was written.
    async fn fingerprint(&self) -> Digest;
}

/// A case under way.
#[derive(Debug)]
struct Publishing<P> {
    place: P,
    publisher: Arc<dyn Publisher>,
    artifacts: MemoryArtifacts,
    journal: MemoryJournal,
    clock: FixedClock,
    cancel: Cancel,
    log: CollectedLog,
}

fn envelope(job: &JobRef, what: &str) -> Envelope {
    Envelope {
        payload: Digest::of(format!("{what} of {job}")).hex(),
        payload_type: "application/vnd.in-toto+json".to_owned(),
        signatures: Vec::new(),
    }
}

impl<P: Place> Publishing<P> {
    fn at(place: P) -> Self {
        Self {
            publisher: place.publisher(),
            place,
            artifacts: MemoryArtifacts::new(),
            journal: MemoryJournal::new(),
            clock: FixedClock::new(),
            cancel: Cancel::new(),
            log: CollectedLog::new(),
        }
    }

    /// The change of a job with a bundle of that label.
    async fn sample(&self, number: u128, label: &str) -> Result<(Sample, Bytes)> {
        let reference = job_ref(number);
        let mut job = job(&reference, Timestamp::from_micros(1_735_689_600_000_000));
        let bundle = self.place.complete(&mut job, &self.artifacts, label).await;
        let (digest, _) = self.artifacts.put(&reference.tenant, &bundle).await?;
        let release = gated_release(&reference, digest);
        let attestation = envelope(&reference, "attestation");
        let summary = envelope(&reference, "summary");
        Ok((Sample { job, release, attestation, summary }, bundle))
    }

    async fn publish(&self, name: &str, sample: &Sample) -> Result<Publication> {
        self.publish_with(&self.place.config(name), sample).await
    }

    async fn publish_with(
        &self,
        config: &BTreeMap<String, Value>,
        sample: &Sample,
    ) -> Result<Publication> {
        let reference = sample.job.reference();
        let cx = PublishContext::new(
            &reference,
            &self.journal,
            &NoSecrets,
            &self.artifacts,
            &self.clock,
            &self.cancel,
            &self.log,
        );
        let Sample { job, release, attestation, summary } = sample;
        let request = PublishRequest::new(config, job, release, attestation, summary);
        self.publisher.publish(&cx, &request).await
    }
}

/// Promise 1.
pub async fn what_was_published_can_be_read(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (sample, bundle) = publishing.sample(1, "one").await?;
    let publication = publishing.publish("first", &sample).await?;
    assert!(publication.changed);
    assert_eq!(publication.driver, publishing.publisher.capabilities().driver);
    assert!(!publication.revision.is_empty());
    assert!(publishing.place.holds(&publication, &sample, &bundle).await, "{publication:?}");
    Ok(())
}

/// Promise 2.
pub async fn publishing_twice_changes_nothing(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (sample, _) = publishing.sample(1, "one").await?;
    let first = publishing.publish("first", &sample).await?;
    let before = publishing.place.fingerprint().await;
    publishing.clock.advance(std::time::Duration::from_hours(1));
    let again = publishing.publish("first", &sample).await?;
    assert!(!again.changed);
    assert_eq!((again.uri, again.revision), (first.uri, first.revision));
    assert_eq!(publishing.place.fingerprint().await, before, "nothing was written");
    Ok(())
}

/// Promise 3.
pub async fn other_content_under_a_published_name_is_a_conflict(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (sample, bundle) = publishing.sample(1, "one").await?;
    let publication = publishing.publish("first", &sample).await?;
    let before = publishing.place.fingerprint().await;
    let (mut other, _) = publishing.sample(1, "two").await?;
    // The same release with another statement, for those who publish by version.
    other.release = sample.release.clone();
    other.attestation = envelope(&job_ref(2), "attestation");
    refused(publishing.publish("first", &other).await, ErrorKind::Conflict);
    assert_eq!(publishing.place.fingerprint().await, before, "nothing was overwritten");
    assert!(publishing.place.holds(&publication, &sample, &bundle).await);
    Ok(())
}

/// Another name is another place.
pub async fn two_changes_are_published_beside_each_other(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (one, first_bundle) = publishing.sample(1, "one").await?;
    let (two, second_bundle) = publishing.sample(2, "two").await?;
    let first = publishing.publish("first", &one).await?;
    let second = publishing.publish("second", &two).await?;
    assert!(publishing.place.holds(&first, &one, &first_bundle).await);
    assert!(publishing.place.holds(&second, &two, &second_bundle).await);
    Ok(())
}

/// What a worker intends without its lease is not done.
pub async fn a_lost_lease_publishes_nothing(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (sample, _) = publishing.sample(1, "one").await?;
    let before = publishing.place.fingerprint().await;
    publishing.journal.lose_lease();
    refused(publishing.publish("first", &sample).await, ErrorKind::Fenced);
    assert_eq!(publishing.place.fingerprint().await, before, "nothing was written");
    Ok(())
}

/// What the gate let through is what is published, or nothing is.
pub async fn a_damaged_artifact_is_never_published(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (sample, _) = publishing.sample(1, "one").await?;
    let before = publishing.place.fingerprint().await;
    let tenant = &sample.job.tenant;
    publishing.artifacts.damage(tenant, sample.release.bundle());
    for artifact in &sample.job.artifacts {
        if artifact.checksum != *sample.release.bundle() {
            publishing.artifacts.damage(tenant, &artifact.checksum);
        }
    }
    let answer = publishing.publish("first", &sample).await;
    assert!(answer.is_err(), "published a damaged artifact: {answer:?}");
    assert_eq!(publishing.place.fingerprint().await, before, "nothing was written");
    Ok(())
}

/// Promise 4.
pub async fn a_broken_config_is_invalid(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (sample, _) = publishing.sample(1, "one").await?;
    let before = publishing.place.fingerprint().await;
    let (config, field) = publishing.place.broken_config();
    let error = refused(publishing.publish_with(&config, &sample).await, ErrorKind::Invalid);
    assert_eq!(error.context_value("field"), Some(field), "{error}");
    assert_eq!(publishing.place.fingerprint().await, before, "nothing was touched");
    Ok(())
}

/// Promise 6.
pub async fn a_check_refuses_what_a_publish_would(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (sample, _) = publishing.sample(1, "one").await?;
    let before = publishing.place.fingerprint().await;
    let config = publishing.place.config("first");
    publishing.publisher.check(&config, None)?;
    publishing.publisher.check(&config, Some(&sample.job))?;
    let (config, _) = publishing.place.broken_config();
    let early = refused(publishing.publisher.check(&config, None), ErrorKind::Invalid);
    let late = refused(publishing.publish_with(&config, &sample).await, ErrorKind::Invalid);
    assert_eq!(early.context_value("field"), late.context_value("field"), "{early}");
    assert_eq!(early.code_str(), late.code_str(), "{early}");
    assert_eq!(publishing.place.fingerprint().await, before, "nothing was touched");
    Ok(())
}

/// Promise 5.
pub async fn a_cancelled_publish_leaves_nothing_half_done(place: impl Place) -> Result<()> {
    let publishing = Publishing::at(place);
    let (sample, _) = publishing.sample(1, "one").await?;
    let before = publishing.place.fingerprint().await;
    publishing.cancel.cancel();
    refused(publishing.publish("first", &sample).await, ErrorKind::Cancelled);
    assert_eq!(publishing.place.fingerprint().await, before, "nothing was touched");
    Ok(())
}
