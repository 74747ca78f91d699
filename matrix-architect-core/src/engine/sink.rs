//! Where a verifier's findings go: into the job, one commit a check.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::Mutex;

use super::{Parts, log::StageLog, secrets::SeenSecrets, writer::Writer};
use crate::{
    artifact::{Artifact, ArtifactKind},
    error::Result,
    event::Event,
    evidence::Evidence,
    id::Digest,
    plan::StepExecution,
    traits::EvidenceSink,
};

/// Writes evidence, steps and reports to the job as they come.
pub(crate) struct JobSink<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) writer: &'a Writer,
    pub(crate) log: &'a StageLog,
    pub(crate) secrets: &'a SeenSecrets,
    /// Reports wait for the evidence that names them, so that both are one commit.
    reports: Mutex<Vec<Artifact>>,
}

impl<'a> JobSink<'a> {
    pub(crate) fn new(
        parts: &'a Parts,
        writer: &'a Writer,
        log: &'a StageLog,
        secrets: &'a SeenSecrets,
    ) -> Self {
        Self { parts, writer, log, secrets, reports: Mutex::default() }
    }

    /// Writes reports that no evidence has named.
    pub(crate) async fn finish(&self) -> Result<()> {
        let reports = std::mem::take(&mut *self.reports.lock().await);
        if reports.is_empty() {
            return Ok(());
        }
        let keeps = reports.iter().map(|report| report.checksum).collect();
        let events = reports.into_iter().map(Event::ArtifactRecorded).collect();
        self.writer.commit(events, keeps).await
    }
}

#[async_trait]
impl EvidenceSink for JobSink<'_> {
    async fn evidence(&self, mut evidence: Evidence) -> Result<()> {
        let redactor = self.secrets.redactor();
        evidence.summary = redactor.redact_str(&evidence.summary);
        for finding in &mut evidence.findings {
            finding.name = redactor.redact_str(&finding.name);
            finding.message = redactor.redact_str(&finding.message);
            finding.file = finding.file.take().map(|file| redactor.redact_str(&file));
        }
        for detail in evidence.details.values_mut() {
            *detail = redactor.redact_json(detail.take());
        }
        let reports = std::mem::take(&mut *self.reports.lock().await);
        let keeps = reports.iter().map(|report| report.checksum).collect();
        let mut events: Vec<Event> = reports.into_iter().map(Event::ArtifactRecorded).collect();
        events.push(Event::EvidenceRecorded(Box::new(evidence)));
        self.writer.commit(events, keeps).await
    }

    async fn step(&self, mut execution: StepExecution) -> Result<()> {
        let redactor = self.secrets.redactor();
        execution.error = execution.error.map(|error| redactor.redact_str(&error));
        self.writer.commit(vec![Event::StepReported(execution)], Vec::new()).await
    }

    async fn report(&self, name: &str, content_type: &str, bytes: Bytes) -> Result<Digest> {
        let bytes = Bytes::from(self.secrets.redactor().redact(&bytes));
        let stored = self.parts.artifacts.put(&self.writer.job.tenant, &bytes).await?;
        let at = self.parts.clock.now();
        let artifact = Artifact::new(ArtifactKind::Report, name, content_type, stored, at);
        self.reports.lock().await.push(artifact);
        Ok(stored.0)
    }

    fn log(&self, bytes: &[u8]) {
        self.log.bytes(bytes);
    }
}

impl fmt::Debug for JobSink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobSink({})", self.writer.job)
    }
}
