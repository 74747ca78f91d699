//! Asking the approver of a job that waits, again and again until somebody answers.

use std::{sync::Arc, time::Duration};

use super::{
    drive::Attempt,
    heartbeat::{Heartbeat, Watched},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{Actor, ApprovalRequest, Event, Grant},
    id::PrincipalId,
    pipeline::{JobState, Phase},
    time::Timestamp,
    traits::{Answer, Approver, Cancel},
};

/// How long an approver may take to say whether there is an answer. A person who takes longer is
/// `Pending`; an approver that does hangs, and must not hold up a job somebody else approves.
const PATIENCE: Duration = Duration::from_secs(30);

impl Attempt {
    /// Asks the approver, if there is one. Returns whether the job may have moved; if not, it is
    /// looked at again when the approver says so, and at the latest when the question lapses.
    ///
    /// A fault of the approver is no fault of the job: it is asked again after a pause.
    pub(super) async fn ask(&self, state: &JobState) -> Result<bool> {
        let Some(approval) = &state.approval else { return Ok(false) };
        let request = &approval.request;
        let Some(approver) = &self.parts.approver else {
            // An engine that has one may have left the job to be asked about at once.
            return self.wait_until(request.expires_at, request).await;
        };
        let asked = tokio::select! {
            asked = self.answer_of(&**approver, request) => asked?,
            // The job is as it was: whoever takes it next asks.
            () = self.drain.cancelled() => return Ok(false),
        };
        let told = match asked {
            // Not the lease's word, however the approver puts it.
            Err(error) => return self.ask_later(request, &error).await,
            Ok(Answer::Pending { again_at }) => {
                // Another clock than ours may have said it: never at once, or this would spin.
                let soonest = self.parts.clock.now() + self.parts.settings.backoff;
                let again_at = again_at.map_or(request.expires_at, |at| at.max(soonest));
                return self.wait_until(again_at, request).await;
            }
            Ok(Answer::Granted { by, comment }) => self.grant(request, by, comment).await,
            Ok(Answer::Refused { by, comment }) => {
                let id = request.id.clone();
                let refused = Event::ApprovalRefused { id, by: by.clone(), comment };
                self.tell(request, by, refused).await
            }
        };
        match told {
            Ok(()) => Ok(true),
            Err(error) if error.is_fenced() => Err(error),
            Err(error) => self.ask_later(request, &error).await,
        }
    }

    /// What the approver says, while the lease is held. The outer error is the lease's.
    async fn answer_of(
        &self,
        approver: &dyn Approver,
        request: &ApprovalRequest,
    ) -> Result<Result<Answer>> {
        let cancel = Cancel::new();
        let watched = Watched { cancel: cancel.clone(), deadline: None };
        let _beating = Heartbeat::start(Arc::clone(&self.parts), self.held.clone(), watched);
        let job = self.writer.job().await;
        let asked = tokio::select! {
            asked = tokio::time::timeout(PATIENCE, approver.ask(&job, request)) => asked,
            () = cancel.cancelled() => {
                let why = "the job was taken away while its approver was asked";
                return Err(Error::new(ErrorKind::Fenced, why));
            }
        };
        Ok(asked.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the approver did not answer")
                .advice("let it answer Pending while nobody has decided"))
        }))
    }

    async fn grant(
        &self,
        request: &ApprovalRequest,
        by: PrincipalId,
        comment: Option<String>,
    ) -> Result<()> {
        let grant = Grant {
            id: request.id.clone(),
            binding: request.binding,
            generation: request.generation,
            by: by.clone(),
            comment,
        };
        self.tell(request, by, Event::ApprovalGranted(grant)).await
    }

    /// Writes an answer. One that is not legal any more is dropped if somebody else has answered,
    /// and otherwise the approver's fault, such as the same principal's consent once more.
    async fn tell(&self, request: &ApprovalRequest, by: PrincipalId, event: Event) -> Result<()> {
        let told = self.writer.commit_as(Actor::Principal(by), vec![event]).await;
        match told {
            Err(error) if error.is_conflict() && !self.is_open(request).await => Ok(()),
            told => told,
        }
    }

    async fn ask_later(&self, request: &ApprovalRequest, error: &Error) -> Result<bool> {
        // Not in its own words: they may name what the approver itself asks with, such as the
        // address of a hook, which no redactor of ours knows.
        let (job, kind, code) = (&self.writer.job, error.kind(), error.code_str());
        tracing::warn!(%job, %kind, code, "the approver could not be asked");
        let now = self.parts.clock.now();
        let pause = self.pause(request, now).await;
        let pause = error.retry_delay().unwrap_or(Duration::ZERO).max(pause);
        self.wait_until(now + pause, request).await
    }

    /// As long as the question has been open, so that the pauses double without being counted.
    async fn pause(&self, request: &ApprovalRequest, now: Timestamp) -> Duration {
        let settings = &self.parts.settings;
        let timeout = self.writer.record().await.spec.constraints.approval_timeout;
        let left = request.expires_at.since(now);
        let open = Duration::from_secs(timeout).saturating_sub(left);
        open.max(settings.backoff).min(settings.backoff_max)
    }

    /// Leaves the job until then. Returns whether somebody has moved it meanwhile.
    async fn wait_until(&self, at: Timestamp, request: &ApprovalRequest) -> Result<bool> {
        self.writer.wake_at(at.min(request.expires_at)).await?;
        Ok(!self.is_open(request).await)
    }

    /// Whether the question still waits, as far as was last seen.
    async fn is_open(&self, request: &ApprovalRequest) -> bool {
        let state = self.writer.state().await;
        let asked = state.approval.as_ref().map(|approval| &approval.request.id);
        state.phase == Phase::AwaitingApproval && asked == Some(&request.id)
    }
}
