//! Whether a changed tree is good: the suites of its kind, the rules of its base, what their tools
//! print, and what the change itself adds.
//!
//! [`SuiteVerifier`] implements [`Verifier`](matrix_architect_core::traits::Verifier). It runs
//! everything in a [`Sandbox`](matrix_architect_core::traits::Sandbox) and knows nothing of which
//! one. What a project may say about its own checks is in [`rules`]; what an operator may, in
//! [`VerifyConfig`].
//!
//! Three rules hold throughout. An exit code and a report must agree. What cannot be decided (a
//! missing tool, a cut report, no test) is inconclusive, never passed. And who judges a change is
//! read from the base, so that a change cannot weaken its own judge.

mod beside;
mod bundle;
mod check;
mod commands;
mod config;
mod demand;
mod examine;
pub mod judge;
pub mod parse;
mod prepare;
mod room;
pub mod rules;
pub mod scan;
mod suite;
mod verifier;

pub use config::VerifyConfig;
pub use prepare::PrepareConfig;
pub use suite::Suite;
pub use verifier::SuiteVerifier;
