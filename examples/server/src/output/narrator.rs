//! A job's events as lines for people. Pure: it decides what to say and not where.

use std::time::Duration;

use matrix_architect_core::{
    event::{Event, EventEnvelope, StageOutput},
    evidence::CheckResult,
    pipeline::Stage,
    time::Timestamp,
};

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Well.
    Good,
    /// Not well.
    Bad,
    /// Somebody is waited for, or something was undone.
    Pause,
    /// Only to know.
    Note,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// In which stage.
    pub stage: Option<Stage>,
    /// How it went.
    pub mark: Mark,
    /// What happened.
    pub text: String,
    /// How long it took.
    pub took: Option<Duration>,
}

/// Follows a job and says what is worth saying.
#[derive(Clone, Debug, Default)]
pub struct Narrator {
    stage: Option<(Stage, Timestamp)>,
    seen: u64,
}

impl Narrator {
    /// The number of the last event that was told.
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// The stage the job is in.
    pub fn stage(&self) -> Option<Stage> {
        self.stage.map(|(stage, _)| stage)
    }

    /// The line for an event; most events have none.
    pub fn tell(&mut self, envelope: &EventEnvelope) -> Option<Line> {
        self.seen = self.seen.max(envelope.seq);
        if let Event::Started { stage, .. } = &envelope.event {
            self.stage = Some((*stage, envelope.at));
            return None;
        }
        let (mark, text) = words(&envelope.event)?;
        let ends = matches!(
            envelope.event,
            Event::Finished(_) | Event::Failed { .. } | Event::AttemptFailed { .. }
        );
        let since = self.stage.filter(|_| ends).map(|(_, since)| since);
        Some(Line {
            stage: self.stage(),
            mark,
            text,
            took: since.map(|since| envelope.at.since(since)),
        })
    }
}

fn words(event: &Event) -> Option<(Mark, String)> {
    let line = match event {
        Event::Finished(output) => (Mark::Good, finished(output)),
        Event::Failed { failure, .. } => (Mark::Bad, failure.to_string()),
        Event::AttemptFailed { failure, .. } => {
            (Mark::Pause, format!("{failure}; it is tried again"))
        }
        Event::EvidenceRecorded(evidence) => {
            let mark = match evidence.result {
                CheckResult::Passed => Mark::Good,
                CheckResult::Failed | CheckResult::Inconclusive if evidence.required => Mark::Bad,
                CheckResult::Warned | CheckResult::Failed | CheckResult::Inconclusive => Mark::Note,
            };
            (mark, format!("{}: {}", evidence.name, evidence.summary))
        }
        Event::TargetApplied { target, release } => {
            let what = if release.changed { "live" } else { "was live already" };
            (Mark::Good, format!("{target}: {} {what}", release.reference.version))
        }
        Event::Published(publication) => (Mark::Good, format!("published to {}", publication.uri)),
        other => return undone(other),
    };
    Some(line)
}

fn undone(event: &Event) -> Option<(Mark, String)> {
    let line = match event {
        Event::WorkerLost { .. } => {
            (Mark::Pause, "the worker was lost; another goes on from here".to_owned())
        }
        Event::CancelRequested { .. } => (Mark::Pause, "asked to stop".to_owned()),
        Event::Stopped { .. } => (Mark::Bad, "stopped".to_owned()),
        Event::DeadlineExceeded => (Mark::Bad, "took longer than it may".to_owned()),
        Event::ApprovalRequested(request) => {
            let needed = request.required;
            (Mark::Pause, format!("waits for {needed} approval(s), risk {}", request.gate.risk))
        }
        Event::ApprovalGranted(grant) => (Mark::Good, format!("approved by {}", grant.by)),
        Event::ApprovalRefused { by, comment, .. } => {
            let comment = comment.as_ref().map(|words| format!(": {words}"));
            (Mark::Bad, format!("refused by {by}{}", comment.unwrap_or_default()))
        }
        Event::ApprovalExpired { .. } => (Mark::Bad, "nobody approved in time".to_owned()),
        Event::Replanned { reason } => (Mark::Pause, format!("planned anew: {reason}")),
        Event::RollbackStarted { .. } => (Mark::Pause, "rolling back".to_owned()),
        Event::TargetUndone { target, release } => {
            let what = release.as_ref().map_or_else(
                || "is removed".to_owned(),
                |release| format!("serves {} again", release.reference.version),
            );
            (Mark::Pause, format!("{target} {what}"))
        }
        Event::RolledBack => (Mark::Pause, "rolled back".to_owned()),
        Event::RollbackFailed { failure } => (Mark::Bad, format!("the rollback failed: {failure}")),
        _ => return None,
    };
    Some(line)
}

fn finished(output: &StageOutput) -> String {
    match output {
        StageOutput::Plan { plan, base, .. } => {
            let count = plan.operations().count();
            format!("{count} file operation(s) on {base}")
        }
        StageOutput::Patch { patch_hash, .. } => format!("applied, {}", short(&patch_hash.hex())),
        StageOutput::Verify { bundle, .. } => format!("passed, bundle {}", short(&bundle.hex())),
        StageOutput::Gate { gate, .. } => format!("open, risk {}", gate.risk),
        StageOutput::Deploy {} => "done".to_owned(),
        StageOutput::Publish { attestation } => {
            format!("signed by {}", short(&attestation.signed_by))
        }
    }
}

fn short(text: &str) -> &str {
    text.get(..12).unwrap_or(text)
}
