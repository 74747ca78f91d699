//! What happens in each stage. A runner returns what came of it; it never says what follows.

mod deploy;
mod gate;
mod patch;
mod plan;
mod publish;
mod rollback;
mod target;
mod verify;

use tokio::sync::Mutex;

use super::{Parts, log::StageLog, scratch::Scratch, secrets::SeenSecrets, writer::Writer};
use crate::{
    artifact::{Artifact, ArtifactKind},
    error::{Error, ErrorKind, Result},
    event::{ApprovalRequest, Event, StageOutput},
    id::Digest,
    pipeline::Stage,
    traits::{Body, Cancel, CheckoutRequest, SecretStore},
};

/// With what a stage works.
#[derive(Debug)]
pub(crate) struct StageContext<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) writer: &'a Writer,
    pub(crate) log: &'a StageLog,
    pub(crate) secrets: &'a dyn SecretStore,
    pub(crate) seen: &'a SeenSecrets,
    pub(crate) scratch: &'a Scratch,
    pub(crate) cancel: &'a Cancel,
    /// Artifacts that are stored and not yet committed.
    pub(crate) noted: Mutex<Vec<Artifact>>,
}

/// What GATE can come to.
#[derive(Debug)]
pub(crate) enum GateOutcome {
    /// It let the change through.
    Through(StageOutput),
    /// Somebody has to agree first.
    Ask(ApprovalRequest),
}

/// What DEPLOY and PUBLISH can come to.
#[derive(Debug)]
pub(crate) enum DeliveryOutcome {
    /// It is done.
    Done(StageOutput),
    /// The base moved before anything was touched: plan again on the new one.
    BaseMoved(String),
}

/// Runs a stage, or the rollback if there is none, and returns the events it comes to.
pub(crate) async fn run(cx: &StageContext<'_>, stage: Option<Stage>) -> Result<Vec<Event>> {
    Ok(match stage {
        Some(Stage::Plan) => vec![Event::Finished(plan::run(cx).await?)],
        Some(Stage::Patch) => vec![Event::Finished(patch::run(cx).await?)],
        Some(Stage::Verify) => vec![Event::Finished(verify::run(cx).await?)],
        Some(Stage::Gate) => match gate::run(cx).await? {
            GateOutcome::Through(output) => vec![Event::Finished(output)],
            GateOutcome::Ask(request) => vec![Event::ApprovalRequested(request)],
        },
        Some(Stage::Deploy) => delivery(deploy::run(cx).await?),
        Some(Stage::Publish) => delivery(publish::run(cx).await?),
        None => {
            rollback::run(cx).await?;
            vec![Event::RolledBack]
        }
    })
}

fn delivery(outcome: DeliveryOutcome) -> Vec<Event> {
    match outcome {
        DeliveryOutcome::Done(output) => vec![Event::Finished(output)],
        DeliveryOutcome::BaseMoved(reason) => vec![Event::Replanned { reason }],
    }
}

impl StageContext<'_> {
    /// Stops here if somebody wants it.
    pub(crate) fn check(&self) -> Result<()> {
        if self.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the stage was stopped"));
        }
        Ok(())
    }

    /// Stores content. The job knows of it once it is noted.
    pub(crate) async fn store(
        &self,
        kind: ArtifactKind,
        name: &str,
        content_type: &str,
        body: &dyn Body,
    ) -> Result<Artifact> {
        let stored = self.parts.artifacts.put(&self.writer.job.tenant, body).await?;
        Ok(Artifact::new(kind, name, content_type, stored, self.parts.clock.now()))
    }

    /// Notes stored content: it becomes part of the job with whatever is committed at the end of
    /// the stage, whichever end that is.
    pub(crate) async fn note(&self, artifact: Artifact) -> Digest {
        let digest = artifact.checksum;
        self.noted.lock().await.push(artifact);
        digest
    }

    /// Takes what was noted, to be committed before `events`.
    pub(crate) async fn with_noted(&self, events: Vec<Event>) -> (Vec<Event>, Vec<Digest>) {
        let noted = std::mem::take(&mut *self.noted.lock().await);
        let keeps = noted.iter().map(|artifact| artifact.checksum).collect();
        let recorded = noted.into_iter().map(Event::ArtifactRecorded);
        (recorded.chain(events).collect(), keeps)
    }

    /// What the base is compared with.
    pub(crate) fn checkout<'b>(&'b self, repo: &'b crate::plan::RepoSpec) -> CheckoutRequest<'b> {
        CheckoutRequest::new(&self.writer.job.tenant, repo, self.secrets, self.cancel)
    }

    /// Says so if the reference the plan stands on names another commit by now. A reference that
    /// is itself a commit cannot move.
    pub(crate) async fn moved_base(&self) -> Result<Option<String>> {
        let job = self.writer.job().await;
        let Some(base) = job.base.as_ref().and_then(|base| base.commit.clone()) else {
            return Ok(None);
        };
        let head = self.parts.workspace.head(&self.checkout(&job.repo)).await?;
        Ok(head.filter(|head| *head != base).map(|head| {
            format!(
                "the base moved from {} to {} since the plan was made",
                base.short(),
                head.short()
            )
        }))
    }
}

pub(crate) const JSON: &str = "application/json";
pub(crate) const TAR: &str = "application/x-tar";
