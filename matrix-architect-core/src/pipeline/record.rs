//! A job as it is stored: what clients see, what the rules need, and how often it was written.

use serde::{Deserialize, Serialize};

use super::{Ending, IllegalTransition, JobState, Phase};
use crate::{
    event::{Event, EventEnvelope, StageOutput},
    job::{Job, JobSpec, NewJob},
    time::Timestamp,
};

/// How many events a job has: the number that a commit expects and moves.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Version(pub u64);

/// A job as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// What was asked for.
    pub spec: JobSpec,
    /// What clients see.
    pub job: Job,
    /// What the rules need.
    pub state: JobState,
    /// How many events it has.
    pub version: Version,
}

impl JobRecord {
    /// A job that was just created, without events.
    pub fn new(new: &NewJob) -> Self {
        Self {
            spec: new.spec.clone(),
            job: Job::new(new),
            state: JobState::new(new),
            version: Version(0),
        }
    }

    /// The record after one more event. Recovery is this, over all events in order.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the rules forbid it; the record is then unchanged.
    pub fn apply(&mut self, event: &Event, at: Timestamp) -> Result<(), IllegalTransition> {
        let state = self.state.after(event, at)?;
        self.job.follow(event, &state, at);
        self.state = state;
        self.version.0 += 1;
        Ok(())
    }

    /// The record after all events of a history.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the history is not one these rules could have made.
    pub fn fold(
        new: &NewJob,
        history: impl IntoIterator<Item = EventEnvelope>,
    ) -> Result<Self, IllegalTransition> {
        let mut record = Self::new(new);
        for envelope in history {
            record.apply(&envelope.event, envelope.at)?;
        }
        Ok(record)
    }
}

impl Job {
    /// What clients see after `event`, given the state after it.
    fn follow(&mut self, event: &Event, state: &JobState, at: Timestamp) {
        match event {
            Event::Started { stage, worker } => {
                self.started_at.get_or_insert(at);
                self.worker_id = Some(worker.clone());
                if *stage == super::Stage::Verify {
                    // An attempt that was broken off left half of its evidence.
                    self.evidence.clear();
                    self.step_executions.clear();
                }
            }
            Event::RollbackStarted { worker } => self.worker_id = Some(worker.clone()),
            Event::Finished(output) => self.note(output, state),
            Event::ApprovalRequested(request) => self.gate = Some((*request.gate).clone()),
            Event::ApprovalGranted(grant) => self.note_grant(&grant.by.to_string(), state, at),
            Event::Replanned { .. } => self.forget(),
            Event::TargetApplied { release, .. } => {
                self.releases.retain(|old| {
                    old.reference.driver != release.reference.driver
                        || old.reference.environment != release.reference.environment
                        || old.reference.service != release.reference.service
                });
                self.releases.push(release.clone());
            }
            Event::TargetUndone { target, .. } => self.releases.retain(|release| {
                let reference = &release.reference;
                format!("{}/{}/{}", reference.driver, reference.environment, reference.service)
                    != *target
            }),
            Event::EvidenceRecorded(evidence) => {
                self.evidence.retain(|old| old.name != evidence.name);
                self.evidence.push((**evidence).clone());
            }
            Event::StepReported(execution) => {
                match self.step_executions.iter_mut().find(|old| old.step_id == execution.step_id) {
                    Some(old) => *old = execution.clone(),
                    None => self.step_executions.push(execution.clone()),
                }
            }
            Event::ArtifactRecorded(artifact) => {
                self.artifacts.retain(|old| old.name != artifact.name);
                self.artifacts.push(artifact.clone());
            }
            Event::Published(publication) => {
                self.publications
                    .retain(|old| old.driver != publication.driver || old.uri != publication.uri);
                self.publications.push(publication.clone());
            }
            _ => {}
        }
        self.reflect(state, at);
    }

    fn note(&mut self, output: &StageOutput, _state: &JobState) {
        match output {
            StageOutput::Plan { plan, base, .. } => {
                self.plan = Some((**plan).clone());
                self.base = Some(base.clone());
            }
            StageOutput::Gate { gate, .. } => {
                let mut gate = (**gate).clone();
                if let Some(asked) = &self.gate {
                    gate.approval_id = gate.approval_id.or_else(|| asked.approval_id.clone());
                    gate.approved_by = gate.approved_by.or_else(|| asked.approved_by.clone());
                    gate.approved_at = gate.approved_at.or(asked.approved_at);
                }
                self.gate = Some(gate);
            }
            StageOutput::Publish { attestation } => {
                self.attestation = Some((**attestation).clone());
            }
            StageOutput::Patch { .. } | StageOutput::Verify { .. } | StageOutput::Deploy {} => {}
        }
    }

    fn note_grant(&mut self, by: &str, state: &JobState, at: Timestamp) {
        let Some(gate) = &mut self.gate else { return };
        let names = match gate.approved_by.take() {
            Some(earlier) => format!("{earlier}, {by}"),
            None => by.to_owned(),
        };
        gate.approved_by = Some(names);
        if state.approval.as_ref().is_some_and(super::ApprovalState::is_granted) {
            gate.approved_at = Some(at);
        }
    }

    /// A new generation begins with nothing of the old one.
    fn forget(&mut self) {
        self.plan = None;
        self.base = None;
        self.gate = None;
        self.evidence.clear();
        self.step_executions.clear();
        self.artifacts.clear();
    }

    fn reflect(&mut self, state: &JobState, at: Timestamp) {
        self.status = state.phase.status();
        self.generation = state.generation;
        self.retry_count = state.counters.retries;
        if let Some(stage) = state.phase.stage() {
            self.current_stage = Some(stage);
        }
        if let Some(Ending::Failed(failure)) = &state.ending {
            self.error = Some(failure.to_string());
            self.failure = Some(failure.clone());
        }
        if state.phase.is_terminal() {
            self.completed_at.get_or_insert(at);
        }
        if matches!(state.phase, Phase::Cancelled) {
            self.error.get_or_insert_with(|| "stopped on request".to_owned());
        }
    }
}
