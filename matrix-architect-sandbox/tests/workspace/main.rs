//! The workspace against real directories and real git repositories.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails where it unwraps")]

mod change;
mod checkout;
mod conformance;
mod crash;
mod credentials;
mod hostile;
mod properties;
mod remote;
mod repo;
mod timing;
mod tree;
