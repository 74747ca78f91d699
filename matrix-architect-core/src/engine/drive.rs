//! One lease of one job: stage after stage until it ends, waits or is lost.

use std::{error::Error as _, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use super::{
    Parts,
    heartbeat::{Heartbeat, Held, StopReason, Watched},
    log::{StageLog, seal_all},
    scratch::Scratch,
    secrets::{SeenSecrets, WatchedSecrets},
    stages::{self, StageContext},
    writer::Writer,
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::{Actor, Event},
    failure::Failure,
    pipeline::{JobState, Phase, Stage, due},
    traits::{Cancel, Lease},
};

/// What a worker does with one lease.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(super) parts: Arc<Parts>,
    pub(super) writer: Writer,
    pub(super) held: Held,
    scratch: Scratch,
    seen: Arc<SeenSecrets>,
    pub(super) drain: Cancel,
}

impl Attempt {
    pub(crate) fn new(parts: Arc<Parts>, lease: Lease, sent: Instant, drain: Cancel) -> Self {
        let held = Held::new(lease.job.clone(), lease.fence, sent);
        let writer = Writer::new(Arc::clone(&parts), lease);
        let seen = Arc::new(SeenSecrets::default());
        Self { parts, writer, held, scratch: Scratch::default(), seen, drain }
    }

    /// Takes the job as far as it goes and gives the lease back.
    #[tracing::instrument(name = "engine.attempt", skip_all, fields(job = %self.writer.job, worker = %self.writer.worker))]
    pub(crate) async fn run(self) -> Result<()> {
        match self.advance().await {
            Ok(()) => {}
            // Somebody else has the job: whatever is left is theirs.
            Err(error) if error.is_fenced() => {
                tracing::warn!("the lease was lost");
                return Ok(());
            }
            Err(error) => {
                // Give it back all the same, so that another worker need not wait for the lease.
                let _ = self.parts.queue.release(&self.held.job, self.held.fence).await;
                return Err(error);
            }
        }
        if self.writer.state().await.phase.is_terminal() {
            seal_all(&*self.parts.logs, &self.held.job, self.writer.fence).await;
        }
        self.parts.queue.release(&self.held.job, self.held.fence).await
    }

    async fn advance(&self) -> Result<()> {
        loop {
            let state = self.writer.state().await;
            let now = self.parts.clock.now();
            if let Some(event) = due(&state, now) {
                Self::unless_moved(self.writer.commit_as(Actor::System, vec![event]).await)?;
                continue;
            }
            match state.phase {
                Phase::Ready(_) | Phase::RollbackReady
                    if state.retry_at.is_some_and(|at| at > now) =>
                {
                    return Ok(());
                }
                Phase::Ready(stage) => self.run_stage(Some(stage)).await?,
                Phase::RollbackReady => self.run_stage(None).await?,
                Phase::AwaitingApproval => {
                    if !self.ask(&state).await? {
                        return Ok(());
                    }
                }
                Phase::Running(_) | Phase::RollingBack => {
                    return Err(Error::unexpected(
                        "a claim left the job in the middle of something",
                    ));
                }
                Phase::NeedsOperator | Phase::Succeeded | Phase::Failed | Phase::Cancelled => {
                    return Ok(());
                }
            }
            if self.drain.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Runs a stage, or the rollback if there is none, and writes what came of it.
    async fn run_stage(&self, stage: Option<Stage>) -> Result<()> {
        let worker = self.writer.worker.clone();
        let started = match stage {
            Some(stage) => Event::Started { stage, worker },
            None => Event::RollbackStarted { worker },
        };
        if !Self::unless_moved(self.writer.commit(vec![started], Vec::new()).await)? {
            return Ok(());
        }

        let cancel = Cancel::new();
        let deadline = self.writer.state().await.deadline;
        let watched = Watched { cancel: cancel.clone(), deadline };
        let heartbeat = Heartbeat::start(Arc::clone(&self.parts), self.held.clone(), watched);
        let log = self.open_log(stage).await?;
        let secrets =
            Arc::new(WatchedSecrets::new(Arc::clone(&self.parts.secrets), Arc::clone(&self.seen)));
        let cx = StageContext {
            parts: &self.parts,
            writer: &self.writer,
            log: &log,
            secrets: &*secrets,
            seen: &self.seen,
            scratch: &self.scratch,
            cancel: &cancel,
            noted: Mutex::default(),
        };
        let outcome = stages::run(&cx, stage).await;
        if let Err(error) = &outcome {
            let failure = self.redacted(&Failure::from(error));
            log.bytes(format!("error: {failure}\n").as_bytes());
        }
        log.flush().await;
        let reason = heartbeat.reason();
        if reason == StopReason::Lost {
            return Err(Error::new(ErrorKind::Fenced, "the lease was lost"));
        }
        let events = match outcome {
            Ok(events) => events,
            Err(error) if error.is_fenced() => return Err(error),
            Err(error) => vec![self.answer(stage, reason, &error).await],
        };
        let (events, keeps) = cx.with_noted(events).await;
        match self.writer.commit(events, keeps).await {
            Err(error) if is_illegal(&error) => self.give_up_if_stuck(stage, &error).await,
            committed => committed,
        }
    }

    /// What a stage came to was not legal. If nobody moved the job, it never will be: the stage has
    /// failed, for instance because the base moved more often than a job may be planned.
    async fn give_up_if_stuck(&self, stage: Option<Stage>, illegal: &Error) -> Result<()> {
        let rule = illegal.source().map_or_else(|| illegal.to_string(), ToString::to_string);
        let message = format!("what the stage came to is not allowed any more: {rule}");
        let failure = Failure::new("not_legal", message)
            .next("look at the job's history and submit the change again");
        let event = match (self.writer.state().await.phase, stage) {
            (Phase::Running(now), Some(stage)) if now == stage => Event::Failed { stage, failure },
            (Phase::RollingBack, None) => Event::RollbackFailed { failure },
            _ => return Ok(()),
        };
        self.writer.commit(vec![event], Vec::new()).await
    }

    /// Whether the commit had its effect. A job that somebody moved meanwhile (a wish to stop
    /// between two stages, a new plan in the middle of one) is no fault: it is looked at again.
    pub(super) fn unless_moved(outcome: Result<()>) -> Result<bool> {
        match outcome {
            Ok(()) => Ok(true),
            Err(error) if is_illegal(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The event that an error of a stage becomes.
    async fn answer(&self, stage: Option<Stage>, reason: StopReason, error: &Error) -> Event {
        let failure = self.redacted(&Failure::from(error));
        let state = self.writer.state().await;
        match (stage, reason) {
            // The wish may be stored before the heartbeat has told of it.
            (Some(stage), _) if state.cancelling => Event::Stopped { stage },
            (Some(stage), StopReason::Requested) => Event::Stopped { stage },
            (Some(_), StopReason::Deadline) => Event::DeadlineExceeded,
            _ if error.is_retryable() => Event::AttemptFailed {
                stage,
                failure,
                retry_at: self.parts.clock.now() + self.backoff(&state, error),
            },
            (Some(stage), _) => Event::Failed { stage, failure },
            (None, _) => Event::RollbackFailed { failure },
        }
    }

    fn redacted(&self, failure: &Failure) -> Failure {
        let redactor = self.seen.redactor();
        let mut failure = failure.clone();
        failure.message = redactor.redact_str(&failure.message);
        failure.location = failure.location.map(|location| redactor.redact_str(&location));
        failure.next_action = failure.next_action.map(|action| redactor.redact_str(&action));
        failure
    }

    fn backoff(&self, state: &JobState, error: &Error) -> Duration {
        let settings = &self.parts.settings;
        let doubled = settings.backoff.saturating_mul(1 << state.counters.attempts.min(10));
        error.retry_delay().unwrap_or(Duration::ZERO).max(doubled.min(settings.backoff_max))
    }

    async fn open_log(&self, stage: Option<Stage>) -> Result<StageLog> {
        let name = stage.map_or("ROLLBACK", Stage::as_str);
        let seen = Arc::clone(&self.seen);
        StageLog::open(Arc::clone(&self.parts.logs), &self.writer, name, seen).await
    }
}

/// Whether an event was refused by the rules, not by the store.
fn is_illegal(error: &Error) -> bool {
    error.is_conflict() && error.code_str() == "illegal_transition"
}
