//! What time alone makes happen, and when a job is next worth a worker's while.

use serde::{Deserialize, Serialize};

use super::{JobState, Phase};
use crate::{event::Event, time::Timestamp};

/// When a job is next worth a worker's while. Part of every commit, so that there is no second
/// write that could be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "dispatch", rename_all = "snake_case")]
pub enum Dispatch {
    /// From this moment on.
    Ready {
        /// The moment.
        at: Timestamp,
    },
    /// Not before somebody acts.
    Park,
    /// Never again.
    Done,
}

/// The event that time alone has made due, if any. Whoever leases a job commits it before
/// anything else.
pub fn due(state: &JobState, now: Timestamp) -> Option<Event> {
    match state.phase {
        Phase::AwaitingApproval => {
            let request = &state.approval.as_ref()?.request;
            (request.expires_at <= now).then(|| Event::ApprovalExpired { id: request.id.clone() })
        }
        Phase::Ready(_) | Phase::Running(_) => {
            state.deadline.filter(|deadline| *deadline <= now).map(|_| Event::DeadlineExceeded)
        }
        _ => None,
    }
}

impl JobState {
    /// When the job is next worth a worker's while, seen from `now`.
    pub fn dispatch(&self, now: Timestamp) -> Dispatch {
        match self.phase {
            Phase::Ready(_) | Phase::RollbackReady => {
                let at = self.retry_at.unwrap_or(now);
                // A deadline is worth waking up for, too.
                let at = self.deadline.map_or(at, |deadline| at.min(deadline));
                Dispatch::Ready { at: at.max(now) }
            }
            // Under a lease; once that has run out, anybody may take it up.
            Phase::Running(_) | Phase::RollingBack => Dispatch::Ready { at: now },
            Phase::AwaitingApproval => match &self.approval {
                Some(approval) => Dispatch::Ready { at: approval.request.expires_at.max(now) },
                None => Dispatch::Park,
            },
            Phase::NeedsOperator => Dispatch::Park,
            Phase::Succeeded | Phase::Failed | Phase::Cancelled => Dispatch::Done,
        }
    }
}
