//! Where a job stands.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    job::JobStatus,
};

/// One of the six stages, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stage {
    /// The change is resolved on a base commit.
    Plan,
    /// The change is applied to a copy of the tree.
    Patch,
    /// The changed tree is checked.
    Verify,
    /// The policy decides, and people where it asks for them.
    Gate,
    /// The release is put where it belongs.
    Deploy,
    /// The change is made public and the statement of it all is signed.
    Publish,
}

impl Stage {
    /// All stages in order.
    pub const ALL: [Self; 6] =
        [Self::Plan, Self::Patch, Self::Verify, Self::Gate, Self::Deploy, Self::Publish];

    /// The stage after this one; `None` after PUBLISH.
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Plan => Some(Self::Patch),
            Self::Patch => Some(Self::Verify),
            Self::Verify => Some(Self::Gate),
            Self::Gate => Some(Self::Deploy),
            Self::Deploy => Some(Self::Publish),
            Self::Publish => None,
        }
    }

    /// The stage's name on the wire, in capitals.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "PLAN",
            Self::Patch => "PATCH",
            Self::Verify => "VERIFY",
            Self::Gate => "GATE",
            Self::Deploy => "DEPLOY",
            Self::Publish => "PUBLISH",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Stage {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|stage| stage.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| {
            Error::invalid("no such stage")
                .context("stage", text.escape_debug().take(40).collect::<String>())
                .advice("one of PLAN, PATCH, VERIFY, GATE, DEPLOY, PUBLISH")
        })
    }
}

/// Where a job stands. Finite: everything else about a job is in
/// [`JobState`](crate::pipeline::JobState)'s other fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "phase", content = "stage", rename_all = "snake_case")]
pub enum Phase {
    /// Waiting for a worker to begin the stage.
    Ready(Stage),
    /// A worker is in the stage.
    Running(Stage),
    /// GATE waits for consent.
    AwaitingApproval,
    /// Waiting for a worker to undo the targets.
    RollbackReady,
    /// A worker undoes the targets.
    RollingBack,
    /// The targets could not be undone; only an operator can go on.
    NeedsOperator,
    /// Done.
    Succeeded,
    /// Ended without its effect.
    Failed,
    /// Stopped.
    Cancelled,
}

impl Phase {
    /// Every phase there is.
    pub fn all() -> impl Iterator<Item = Self> {
        let ready = Stage::ALL.into_iter().map(Self::Ready);
        let running = Stage::ALL.into_iter().map(Self::Running);
        ready.chain(running).chain([
            Self::AwaitingApproval,
            Self::RollbackReady,
            Self::RollingBack,
            Self::NeedsOperator,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
        ])
    }

    /// Whether nothing follows any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether a worker is at it, so that a lost worker matters.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Running(_) | Self::RollingBack)
    }

    /// The stage it is in or waits for.
    pub const fn stage(self) -> Option<Stage> {
        match self {
            Self::Ready(stage) | Self::Running(stage) => Some(stage),
            Self::AwaitingApproval => Some(Stage::Gate),
            _ => None,
        }
    }

    /// The status clients see.
    pub const fn status(self) -> JobStatus {
        match self {
            Self::Ready(_) => JobStatus::Queued,
            Self::Running(Stage::Plan) => JobStatus::Planning,
            Self::Running(Stage::Patch) => JobStatus::Patching,
            Self::Running(Stage::Verify) => JobStatus::Verifying,
            Self::Running(Stage::Gate) => JobStatus::Gating,
            Self::Running(Stage::Deploy) => JobStatus::Deploying,
            Self::Running(Stage::Publish) => JobStatus::Publishing,
            Self::AwaitingApproval => JobStatus::WaitingApproval,
            Self::RollbackReady | Self::RollingBack => JobStatus::RollingBack,
            Self::NeedsOperator => JobStatus::NeedsOperator,
            Self::Succeeded => JobStatus::Succeeded,
            Self::Failed => JobStatus::Failed,
            Self::Cancelled => JobStatus::Aborted,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready(stage) => write!(f, "ready for {stage}"),
            Self::Running(stage) => write!(f, "running {stage}"),
            Self::AwaitingApproval => f.write_str("awaiting approval"),
            Self::RollbackReady => f.write_str("ready to roll back"),
            Self::RollingBack => f.write_str("rolling back"),
            Self::NeedsOperator => f.write_str("needs an operator"),
            Self::Succeeded => f.write_str("succeeded"),
            Self::Failed => f.write_str("failed"),
            Self::Cancelled => f.write_str("cancelled"),
        }
    }
}
