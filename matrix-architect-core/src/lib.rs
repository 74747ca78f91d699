//! What a code change is, the rules it obeys, and the engine that takes it from plan to published
//! release.

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

pub use error::{Error, ErrorKind, Result};
