//! PUBLISH: the whole job is attested, and the change is made public.

use std::sync::Arc;

use super::{DeliveryOutcome, StageContext, gate};
use crate::{
    artifact::ArtifactKind,
    attest::{Builder, Envelope, Provenance, Subject, sign},
    attestation::Attestation,
    engine::{journal::JobJournal, scratch},
    error::{Error, Result},
    event::{Event, StageOutput},
    id::Digest,
    pipeline::JobRecord,
    release::{GatedRelease, PublishConfig},
    traits::{LogSink as _, PublishContext, PublishRequest, Publisher},
};

pub(crate) async fn run(cx: &StageContext<'_>) -> Result<DeliveryOutcome> {
    let record = cx.writer.record().await;
    // Nothing is live and nothing is public: the change can still be judged on the new base.
    // The attestation is kept before any publisher runs: once it is there, a moved base may be our
    // own push.
    let begun = record.job.artifact_named("attestation").is_some();
    let untouched = !record.state.has_effects() && !begun;
    if untouched && let Some(reason) = cx.moved_base().await? {
        return Ok(DeliveryOutcome::BaseMoved(reason));
    }
    let release = gate::admitted(cx, &record).await?;
    let attestation = attestation(cx, &record, &release).await?;
    let summary = read_envelope(cx, release.summary()).await?;
    let publishers = in_order(cx, &record.spec.publish)?;
    for (done, (config, publisher)) in publishers.iter().enumerate() {
        let job = cx.writer.job().await;
        let request = PublishRequest::new(&config.config, &job, &release, &attestation, &summary);
        let published = publish(cx, publisher.as_ref(), &request).await;
        published.map_err(|error| without(&publishers[done..], done, error))?;
    }
    if record.spec.publish.is_empty() {
        cx.log.line("nowhere to publish");
    }
    let job = cx.writer.job().await;
    let signature = attestation.signatures.first();
    let attestation = Attestation {
        job_id: job.id,
        completed_at: cx.parts.clock.now(),
        plan_hash: *release.plan_hash(),
        patch_hash: *release.patch_hash(),
        evidence: job.evidence,
        artifacts: vec![*release.bundle()],
        signed_by: signature.map(|signature| signature.keyid.clone()).unwrap_or_default(),
        signature: signature.map(|signature| signature.sig.clone()).unwrap_or_default(),
        envelope: attestation,
    };
    Ok(DeliveryOutcome::Done(StageOutput::Publish { attestation: Box::new(attestation) }))
}

/// The statement of the job. An earlier attempt may have published it already, so it is signed
/// once and kept.
async fn attestation(
    cx: &StageContext<'_>,
    record: &JobRecord,
    release: &GatedRelease,
) -> Result<Envelope> {
    if let Some(kept) = record.job.artifact_named("attestation") {
        return read_envelope(cx, &kept.checksum).await;
    }
    let builder = Builder::new(cx.parts.builder_id.as_str());
    let provenance = Provenance::of(record, builder, cx.parts.clock.now())?;
    let statement = provenance.statement([Subject::new("bundle", *release.bundle())])?;
    let envelope = sign(cx.parts.signer.as_ref(), &statement).await?;
    let bytes = envelope.to_bytes();
    let stored = cx.store(ArtifactKind::Attestation, "attestation", gate::ENVELOPE, &bytes).await?;
    // At once: nothing may become public that the job does not know of.
    let keeps = vec![stored.checksum];
    cx.writer.commit(vec![Event::ArtifactRecorded(stored)], keeps).await?;
    cx.log.line("signed the attestation");
    Ok(envelope)
}

async fn read_envelope(cx: &StageContext<'_>, digest: &Digest) -> Result<Envelope> {
    let bytes = scratch::read(cx.parts, cx.writer, digest).await?;
    Envelope::from_slice(&bytes)
        .map_err(|source| Error::unexpected("a stored envelope cannot be read").source(source))
}

/// The publishers in the order given, but those that cannot take back what they did last.
fn in_order<'a>(
    cx: &StageContext<'a>,
    configs: &'a [PublishConfig],
) -> Result<Vec<(&'a PublishConfig, &'a Arc<dyn Publisher>)>> {
    let mut publishers = Vec::with_capacity(configs.len());
    for config in configs {
        publishers.push((config, cx.parts.publisher(&config.driver)?));
    }
    publishers.sort_by_key(|(_, publisher)| !publisher.capabilities().reversible);
    Ok(publishers)
}

/// Says what has not got it, where others have: what is public stays so and is in the job, whether
/// a publisher failed or somebody wanted the job to stop between two.
fn without(left: &[(&PublishConfig, &Arc<dyn Publisher>)], done: usize, error: Error) -> Error {
    if done == 0 && left.len() == 1 {
        return error;
    }
    let names: Vec<_> = left.iter().map(|(config, _)| config.driver.as_str()).collect();
    error.context("published", done).context("not_published", names.join(", "))
}

async fn publish(
    cx: &StageContext<'_>,
    publisher: &dyn Publisher,
    request: &PublishRequest<'_>,
) -> Result<()> {
    cx.check()?;
    let journal = JobJournal::open(cx.writer, &cx.parts.store).await?;
    let context = PublishContext::new(
        &cx.writer.job,
        &journal,
        cx.secrets,
        cx.parts.artifacts.as_ref(),
        cx.parts.clock.as_ref(),
        cx.cancel,
        cx.log,
    );
    let mut publication = publisher.publish(&context, request).await?;
    cx.seen.redact_publication(&mut publication);
    cx.log.line(&format!("published {}", publication.uri));
    cx.writer.commit(vec![Event::Published(publication)], Vec::new()).await
}
