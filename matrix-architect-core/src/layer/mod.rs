//! Decorators of the traits: one more word on every call, the same contract.
//!
//! [`Retry`] repeats what may be repeated, [`Timeout`] bounds how long a call takes, [`Traced`]
//! says what was called. Each wraps a backend, also a `dyn` one, and is that backend again, so they
//! stack; the usual order from the outside is `Traced`, `Retry`, `Timeout`:
//!
//! ```
//! use std::sync::Arc;
//! use matrix_architect_core::{
//!     fake::MemoryArtifacts,
//!     layer::{Retry, RetryConfig, Timeout, TimeoutConfig, Traced},
//!     traits::ArtifactStore,
//! };
//!
//! # #[cfg(feature = "fake")]
//! # {
//! let artifacts: Arc<dyn ArtifactStore> = Arc::new(MemoryArtifacts::new());
//! let bounded = Arc::new(Timeout::new(artifacts, TimeoutConfig::default()));
//! let patient = Arc::new(Retry::new(bounded, RetryConfig::default()));
//! let artifacts: Arc<dyn ArtifactStore> = Arc::new(Traced::new(patient, "memory"));
//! # }
//! ```
//!
//! A decorator that forgot a method would silently lose a backend's own; each implementation
//! therefore denies `clippy::missing_trait_methods`.

mod retry;
#[cfg(test)]
mod tests;
mod timeout;
mod traced;

pub use retry::{Retry, RetryConfig};
pub use timeout::{Timeout, TimeoutConfig};
pub use traced::Traced;
