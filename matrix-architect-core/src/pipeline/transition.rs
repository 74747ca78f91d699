//! What may follow what.

use thiserror::Error;

use super::{ApprovalState, Ending, JobState, Phase, Refs, Stage, TargetState, TargetStep};
use crate::{
    error::{Error as CoreError, ErrorKind},
    event::{ApprovalRequest, Event, Grant, Resolution, StageOutput},
    failure::Failure,
    job::OnPublishFailure,
    release::Release,
    time::Timestamp,
};

/// An event that may not happen now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{event}' may not happen while the job is {phase}: {reason}")]
pub struct IllegalTransition {
    /// Where the job stands.
    pub phase: Phase,
    /// The event's kind.
    pub event: &'static str,
    /// Which rule forbids it.
    pub reason: &'static str,
}

impl From<IllegalTransition> for CoreError {
    fn from(illegal: IllegalTransition) -> Self {
        Self::new(ErrorKind::Conflict, "the event may not happen now")
            .code("illegal_transition")
            .source(illegal)
    }
}

type Next = Result<JobState, &'static str>;

/// The rule that catches all that no other rule allows.
const NO_RULE: &str = "no rule allows it";

impl JobState {
    /// The state after `event`, which happened at `at`. Pure: the same state and event always give
    /// the same answer, for the engine, for recovery and for a store that checks a commit.
    ///
    /// # Errors
    /// [`IllegalTransition`] if no rule allows the event; the state is then unchanged.
    pub fn after(&self, event: &Event, at: Timestamp) -> Result<Self, IllegalTransition> {
        self.decide(event, at).map_err(|reason| IllegalTransition {
            phase: self.phase,
            event: event.kind(),
            reason,
        })
    }

    /// The rules on one screen: a row per phase and event.
    #[expect(clippy::too_many_lines, reason = "the whole table on one screen is the point")]
    #[expect(clippy::match_same_arms, reason = "a row per phase and event, in the phases' order")]
    fn decide(&self, event: &Event, at: Timestamp) -> Next {
        use Event as E;
        use Phase as P;
        match (self.phase, event) {
            (P::Ready(s), E::Started { stage, .. }) if s == *stage => self.start(s, at),
            (P::Ready(_), E::CancelRequested { .. }) => Ok(self.end(Ending::Cancelled)),
            (P::Ready(s) | P::Running(s), E::DeadlineExceeded) => Ok(self.fail(s, &deadline())),
            (P::Ready(s), E::Replanned { .. }) if s != Stage::Plan => self.replan(),

            (P::Running(s), E::Finished(output)) if s == output.stage() => self.finish(output),
            (P::Running(s), E::AttemptFailed { stage: Some(stage), failure, retry_at })
                if s == *stage =>
            {
                Ok(self.try_again(s, failure, *retry_at))
            }
            (P::Running(s), E::Failed { stage, failure }) if s == *stage => {
                Ok(self.fail(s, failure))
            }
            (P::Running(s), E::WorkerLost { .. }) => Ok(self.lose(s)),
            (P::Running(_), E::CancelRequested { .. }) if self.cancelling => {
                Err("it is being cancelled already")
            }
            (P::Running(_), E::CancelRequested { .. }) => {
                Ok(Self { cancelling: true, ..self.clone() })
            }
            (P::Running(s), E::Stopped { stage }) if s == *stage => self.stop(),
            (P::Running(Stage::Gate), E::ApprovalRequested(request)) => self.ask(request, at),
            (P::Running(s), E::Replanned { .. }) if s != Stage::Plan => self.replan(),
            (P::Running(Stage::Deploy), E::TargetIntended { target }) => self.intend(target),
            (P::Running(Stage::Deploy), E::TargetApplied { target, release }) => {
                self.apply(target, release)
            }
            (P::Running(Stage::Publish), E::Published(_)) => Ok(self.clone()),
            (
                P::Running(Stage::Deploy | Stage::Publish) | P::RollingBack,
                E::StepIntended { .. } | E::StepDone { .. },
            ) => Ok(self.clone()),
            (P::Running(_), E::StepReported(_)) => Ok(self.clone()),
            (P::Running(_) | P::RollingBack, E::EvidenceRecorded(_) | E::ArtifactRecorded(_)) => {
                Ok(self.clone())
            }

            (P::AwaitingApproval, E::ApprovalGranted(grant)) => self.grant(grant, at),
            (P::AwaitingApproval, E::ApprovalRefused { id, by, .. }) => {
                self.answered(id)?;
                Ok(self.end(Ending::Failed(Failure::new(
                    "approval_refused",
                    format!("{by} refused the change"),
                ))))
            }
            (P::AwaitingApproval, E::ApprovalExpired { id }) => {
                self.answered(id)?;
                Ok(self.end(Ending::Failed(
                    Failure::new("approval_expired", "nobody approved the change in time")
                        .next("submit it again"),
                )))
            }
            (P::AwaitingApproval, E::CancelRequested { .. }) => Ok(self.end(Ending::Cancelled)),
            (P::AwaitingApproval, E::Replanned { .. }) => self.replan(),

            (P::RollbackReady, E::RollbackStarted { .. }) => Ok(self.begin(P::RollingBack)),
            (P::RollingBack, E::TargetUndone { target, .. }) => self.undo(target),
            (P::RollingBack, E::RolledBack) if self.has_effects() => {
                Err("a target is not undone yet")
            }
            (P::RollingBack, E::RolledBack) => Ok(self.settle()),
            (P::RollingBack, E::RollbackFailed { .. }) => Ok(self.at(P::NeedsOperator)),
            (P::RollingBack, E::AttemptFailed { stage: None, retry_at, .. }) => {
                Ok(self.roll_back_again(*retry_at))
            }
            (P::RollingBack, E::WorkerLost { .. }) => Ok(self.lose_rollback()),
            (P::NeedsOperator, E::OperatorResolved { resolution }) => Ok(self.resolve(*resolution)),
            _ => Err(NO_RULE),
        }
    }

    fn at(&self, phase: Phase) -> Self {
        Self { phase, ..self.clone() }
    }

    /// Enters `phase` and counts the attempt.
    fn begin(&self, phase: Phase) -> Self {
        let mut next = self.at(phase);
        next.retry_at = None;
        // An attempt that follows a lost worker is counted as a loss already.
        next.counters.attempts = self.counters.attempts.saturating_add(1);
        if self.counters.attempts > 0 || self.counters.losses > 0 {
            next.counters.retries = self.counters.retries.saturating_add(1);
        }
        next
    }

    fn start(&self, stage: Stage, at: Timestamp) -> Next {
        if stage > Stage::Gate && self.refs.summary.is_none() {
            return Err("the gate has not let this generation through");
        }
        let mut next = self.begin(Phase::Running(stage));
        if next.deadline.is_none() {
            next.deadline = Some(at + self.remaining.unwrap_or(self.limits.max_duration));
            next.remaining = None;
        }
        Ok(next)
    }

    /// Enters the next stage with fresh counters.
    fn advance(&self, stage: Stage) -> Self {
        let mut next = self.at(Phase::Ready(stage));
        next.counters.attempts = 0;
        next.counters.losses = 0;
        next.retry_at = None;
        next
    }

    fn finish(&self, output: &StageOutput) -> Next {
        let mut next = self.clone();
        next.note(output)?;
        match output.stage().next() {
            // What is public cannot be unpublished: a wish to stop came too late.
            None => Ok(next.at(Phase::Succeeded)),
            Some(_) if self.cancelling => Ok(next.end(Ending::Cancelled)),
            Some(stage) => Ok(next.advance(stage)),
        }
    }

    fn note(&mut self, output: &StageOutput) -> Result<(), &'static str> {
        match output {
            StageOutput::Plan { plan_hash, base, .. } => {
                self.refs.plan_hash = Some(*plan_hash);
                self.refs.base_tree = Some(base.tree);
            }
            StageOutput::Patch { patch_hash, patch, tree } => {
                self.refs.patch_hash = Some(*patch_hash);
                self.refs.patch = Some(*patch);
                self.refs.patched_tree = Some(*tree);
            }
            StageOutput::Verify { evidence, bundle } => {
                self.refs.evidence = Some(*evidence);
                self.refs.bundle = Some(*bundle);
            }
            StageOutput::Gate { gate, binding, summary } => {
                if !gate.allowed {
                    return Err("the gate did not allow it");
                }
                self.check_consent(gate.requires_guardian_approval, binding)?;
                self.refs.binding = Some(*binding);
                self.refs.summary = Some(*summary);
            }
            StageOutput::Deploy {} => {
                let applied = |target: &&TargetState| matches!(target.step, TargetStep::Applied(_));
                let count = self.targets.iter().filter(applied).count();
                if u32::try_from(count) != Ok(self.targets_wanted) {
                    return Err("a target has not got the release");
                }
            }
            StageOutput::Publish { .. } => {}
        }
        Ok(())
    }

    fn check_consent(&self, needed: bool, binding: &crate::id::Digest) -> Result<(), &'static str> {
        match &self.approval {
            None if needed => Err("nobody was asked"),
            Some(approval) if !approval.is_granted() => Err("not enough have agreed"),
            Some(approval) if approval.request.binding != *binding => {
                Err("the consent was to something else")
            }
            None | Some(_) => Ok(()),
        }
    }

    fn try_again(&self, stage: Stage, failure: &Failure, retry_at: Timestamp) -> Self {
        if self.cancelling {
            return self.end(Ending::Cancelled);
        }
        if self.counters.attempts >= self.limits.max_attempts {
            return self.fail(stage, failure);
        }
        let mut next = self.at(Phase::Ready(stage));
        next.retry_at = Some(retry_at);
        next
    }

    fn fail(&self, stage: Stage, failure: &Failure) -> Self {
        if self.cancelling {
            return self.end(Ending::Cancelled);
        }
        let ending = Ending::Failed(failure.clone());
        let keeps = self.limits.on_publish_failure == OnPublishFailure::Keep;
        if stage == Stage::Publish && keeps {
            let mut next = self.at(Phase::Failed);
            next.ending = Some(ending);
            return next;
        }
        self.end(ending)
    }

    fn lose(&self, stage: Stage) -> Self {
        if self.cancelling {
            return self.end(Ending::Cancelled);
        }
        let losses = self.counters.losses.saturating_add(1);
        if losses > self.limits.max_losses {
            let failure =
                Failure::new("workers_lost", format!("{losses} workers were lost in {stage}"))
                    .next("look for what kills the worker: memory, disk, or the change itself");
            return self.fail(stage, &failure);
        }
        let mut next = self.at(Phase::Ready(stage));
        next.counters.losses = losses;
        // The lost attempt does not count as a failed one.
        next.counters.attempts = self.counters.attempts.saturating_sub(1);
        next
    }

    fn stop(&self) -> Next {
        if self.cancelling { Ok(self.end(Ending::Cancelled)) } else { Err("nobody asked for it") }
    }

    fn replan(&self) -> Next {
        if self.has_effects() {
            return Err("a target was touched already");
        }
        if self.cancelling {
            return Ok(self.end(Ending::Cancelled));
        }
        if self.generation >= self.limits.max_generations {
            return Err("it was planned too often");
        }
        let mut next = self.advance(Stage::Plan);
        next.generation += 1;
        next.refs = Refs::default();
        next.approval = None;
        next.targets.clear();
        Ok(next)
    }

    fn ask(&self, request: &ApprovalRequest, at: Timestamp) -> Next {
        if self.cancelling {
            return Ok(self.end(Ending::Cancelled));
        }
        if request.generation != self.generation {
            return Err("the question is about another generation");
        }
        if request.required == 0 {
            return Err("a question needs at least one answer");
        }
        let mut next = self.at(Phase::AwaitingApproval);
        next.remaining = self.deadline.map(|deadline| deadline.since(at));
        next.deadline = None;
        next.approval = Some(ApprovalState { request: request.clone(), grants: Vec::new() });
        Ok(next)
    }

    fn answered(&self, id: &crate::id::ApprovalId) -> Result<&ApprovalState, &'static str> {
        let approval = self.approval.as_ref().ok_or("nothing was asked")?;
        if approval.request.id == *id {
            Ok(approval)
        } else {
            Err("the answer is to another question")
        }
    }

    fn grant(&self, grant: &Grant, at: Timestamp) -> Next {
        let approval = self.answered(&grant.id)?;
        if grant.generation != self.generation || grant.generation != approval.request.generation {
            return Err("the answer is about another generation");
        }
        if grant.binding != approval.request.binding {
            return Err("the answer is about something else");
        }
        if approval.request.expires_at <= at {
            return Err("the question has lapsed");
        }
        if grant.by == self.requested_by {
            return Err("whoever asked for a change cannot approve it");
        }
        if approval.grants.iter().any(|(earlier, _)| earlier.by == grant.by) {
            return Err("the same principal agreed already");
        }
        let mut approval = approval.clone();
        approval.grants.push((grant.clone(), at));
        let granted = approval.is_granted();
        let mut next = self.clone();
        next.approval = Some(approval);
        if granted {
            // Back to GATE, which checks that the question still stands and signs the summary.
            next = next.advance(Stage::Gate);
        }
        Ok(next)
    }

    fn intend(&self, name: &str) -> Next {
        if self.cancelling {
            return Err("it is being cancelled");
        }
        let mut next = self.clone();
        match self.target(name) {
            None => {
                next.targets
                    .push(TargetState { name: name.to_owned(), step: TargetStep::Intended });
            }
            // Taken up again after a lost worker.
            Some(TargetStep::Intended) => {}
            Some(TargetStep::Applied(_)) => return Err("the target has the release already"),
            Some(TargetStep::Undone) => return Err("the target was undone"),
        }
        Ok(next)
    }

    fn apply(&self, name: &str, release: &Release) -> Next {
        if self.target(name) != Some(&TargetStep::Intended) {
            return Err("the target was not intended");
        }
        Ok(self.with_target(name, &TargetStep::Applied(Box::new(release.clone()))))
    }

    fn undo(&self, name: &str) -> Next {
        // In reverse: what was touched last is undone first.
        let last = self.targets.iter().rev().find(|target| target.step != TargetStep::Undone);
        match last {
            Some(target) if target.name == name => Ok(self.with_target(name, &TargetStep::Undone)),
            Some(_) => Err("a later target is not undone yet"),
            None => Err("no target is left to undo"),
        }
    }

    fn with_target(&self, name: &str, step: &TargetStep) -> Self {
        let mut next = self.clone();
        for target in next.targets.iter_mut().filter(|target| target.name == name) {
            target.step = step.clone();
        }
        next
    }

    /// Ends the job, by way of a rollback if a target was touched.
    fn end(&self, ending: Ending) -> Self {
        let mut next = self.clone();
        next.ending = Some(ending);
        next.cancelling = false;
        next.deadline = None;
        next.retry_at = None;
        next.counters.attempts = 0;
        next.counters.losses = 0;
        if self.has_effects() { next.at(Phase::RollbackReady) } else { next.settle() }
    }

    /// The terminal phase of the ending.
    fn settle(&self) -> Self {
        match self.ending {
            Some(Ending::Cancelled) => self.at(Phase::Cancelled),
            Some(Ending::Failed(_)) | None => self.at(Phase::Failed),
        }
    }

    fn roll_back_again(&self, retry_at: Timestamp) -> Self {
        if self.counters.attempts >= self.limits.max_attempts {
            return self.at(Phase::NeedsOperator);
        }
        let mut next = self.at(Phase::RollbackReady);
        next.retry_at = Some(retry_at);
        next
    }

    fn lose_rollback(&self) -> Self {
        let losses = self.counters.losses.saturating_add(1);
        if losses > self.limits.max_losses {
            return self.at(Phase::NeedsOperator);
        }
        let mut next = self.at(Phase::RollbackReady);
        next.counters.losses = losses;
        next.counters.attempts = self.counters.attempts.saturating_sub(1);
        next
    }

    fn resolve(&self, resolution: Resolution) -> Self {
        match resolution {
            Resolution::Accept => self.settle(),
            Resolution::RetryRollback => {
                let mut next = self.at(Phase::RollbackReady);
                next.counters.attempts = 0;
                next.counters.losses = 0;
                next
            }
        }
    }
}

fn deadline() -> Failure {
    Failure::new("deadline_exceeded", "the job took longer than constraints.max_duration")
        .next("raise constraints.max_duration or make the checks faster")
}
