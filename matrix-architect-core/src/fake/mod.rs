//! Fakes with state, for tests of code that embeds the SDK and for the conformance suites.
//!
//! Each obeys the contract of the trait it stands for as strictly as a real backend: what it is
//! told it remembers, and what the contract forbids it refuses.
//!
//! ```
//! use matrix_architect_core::{fake::FixedClock, traits::Clock};
//! use std::time::Duration;
//!
//! let clock = FixedClock::at("2025-01-01T10:00:00Z".parse()?);
//! clock.advance(Duration::from_secs(60));
//! assert_eq!(clock.now().to_string(), "2025-01-01T10:01:00Z");
//! # Ok::<(), matrix_architect_core::error::Error>(())
//! ```

mod approver;
mod artifacts;
mod clock;
mod deployer;
mod evidence;
mod ids;
mod job;
mod journal;
mod log;
mod planner;
mod policy;
mod publisher;
mod release;
mod sandbox;
mod secrets;
mod tree;
mod verifier;
mod workspace;

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::Value;

pub use approver::DeskApprover;
pub use artifacts::MemoryArtifacts;
pub use clock::{FixedClock, StepClock};
pub use deployer::MemoryDeployer;
pub use evidence::{MemoryEvidence, Told};
pub use ids::CountingIds;
pub use job::{job, job_ref};
pub use journal::MemoryJournal;
pub use log::CollectedLog;
pub use planner::ReadmePlanner;
pub use policy::FixedPolicy;
pub use publisher::MemoryPublisher;
pub use release::gated_release;
pub use sandbox::NoSandbox;
pub use secrets::{FixedSecrets, NoSecrets};
pub use tree::MemoryTree;
pub use verifier::ScriptedVerifier;
pub use workspace::MemoryWorkspace;

use crate::error::{Error, Result};

/// Refuses settings that a fake does not read.
fn only_known(settings: &BTreeMap<String, Value>, known: &[&str]) -> Result<()> {
    match settings.keys().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(Error::invalid("the setting is not known")
            .code("invalid_config")
            .context("field", name.escape_debug())),
    }
}

/// A test that panicked elsewhere has no say in what a fake remembers.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
