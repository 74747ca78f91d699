//! The suites every backend runs: one case for every numbered promise of a trait, of the same
//! name. Not covered by semver.
//!
//! A suite is a macro that expands to one named `#[test]` per case. It takes an expression that
//! makes a fresh [`Harness`]; the expression may `.await`, for it is evaluated within each test:
//!
//! ```ignore
//! mod store {
//!     matrix_architect_core::store_suite!(super::MyHarness::fresh().await);
//! }
//! ```

pub mod approver;
pub mod artifact_store;
pub mod check;
pub mod claim;
pub mod deployer;
pub mod files;
mod harness;
pub mod locks;
pub mod log_store;
pub mod planner;
pub mod publisher;
pub mod queue;
pub mod records;
mod runtime;
pub mod sample;
pub mod sandbox;
pub mod secret_store;
pub mod signer;
pub mod store;
mod target;
pub mod tree;
pub mod verifier;
pub mod workspace;

pub use harness::{Harness, Serves};
pub use runtime::run;
