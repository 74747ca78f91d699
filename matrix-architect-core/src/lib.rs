//! What a code change is, the rules it obeys, and the engine that takes it from plan to published
//! release.
//!
//! - **The words**: one domain noun a module: [`job`], [`plan`], [`patch`], [`evidence`],
//!   [`artifact`], [`release`], [`attestation`], [`event`], [`failure`], [`principal`].
//! - **The rules**: [`pipeline`] is a finite machine and one pure function.
//! - **Git**: [`git`] is what git is told and what it answers; running it is the backends'.
//! - **The seams**: [`traits`] are what backends promise; `conformance` holds them to it.
//! - **The engine**: [`engine`] leases jobs and takes them through their stages.
//! - **The proof**: [`attest`] signs and verifies statements that strangers' tools accept;
//!   [`policy`] scores risk and explains every point.
//!
//! Core does no I/O of its own and reads no clock: backends are handed in.
//!
//! ```
//! use matrix_architect_core::{
//!     event::Event,
//!     id::WorkerId,
//!     pipeline::{JobState, Phase, Stage},
//! };
//! # use matrix_architect_core::{job::*, plan::*, id::{JobId, PrincipalId, TenantId}, tenant::JobRef};
//! # let repo = RepoSpec::Local { path: "/srv/code".into(), reference: None, subfolder: None };
//! # let spec: JobSpec = serde_json::from_value(serde_json::json!({
//! #     "repo": repo, "goal": "say hello", "change": "goal" })).unwrap();
//! # let now = "2025-01-01T10:00:00Z".parse()?;
//! # let job = JobRef::new(TenantId::default(), JobId::new("job_1")?);
//! # let new = NewJob { job, spec, requested_by: PrincipalId::new("ada")?, at: now };
//! let state = JobState::new(&new);
//! assert_eq!(state.phase, Phase::Ready(Stage::Plan));
//!
//! // Deploying without having planned, verified and passed the gate is no transition.
//! let deploy = Event::Started { stage: Stage::Deploy, worker: WorkerId::new("w1")? };
//! assert!(state.after(&deploy, now).is_err());
//! # Ok::<(), matrix_architect_core::Error>(())
//! ```

pub mod artifact;
pub mod attest;
pub mod attestation;
pub mod canonical;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod engine;
pub mod error;
pub mod event;
pub mod evidence;
pub mod failure;
#[cfg(feature = "fake")]
pub mod fake;
pub mod git;
pub mod id;
pub mod job;
pub mod layer;
pub mod patch;
pub mod path;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod principal;
pub mod redact;
pub mod release;
pub mod secret;
pub mod tenant;
pub mod time;
pub mod traits;
mod userinfo;

pub use error::{Error, ErrorKind, Result};
