//! The rules of the pipeline: finite, pure, and on one screen.
//!
//! [`JobState::after`] is the only place that says what may follow what. The engine, recovery,
//! every store and every test use that same function; it does nothing but decide.

mod phase;
mod record;
mod state;
mod timer;
mod transition;

#[cfg(test)]
mod tests;

pub use phase::{Phase, Stage};
pub use record::{JobRecord, Version};
pub use state::{ApprovalState, Counters, Ending, JobState, Limits, Refs, TargetState, TargetStep};
pub use timer::{Dispatch, due};
pub use transition::IllegalTransition;

/// The version of these rules. A job pins the version it began with, and a worker leases only
/// jobs whose version it can fold.
pub const RULES_VERSION: u32 = 1;

/// The version of the stored form of events.
pub const EVENT_VERSION: u32 = 1;
