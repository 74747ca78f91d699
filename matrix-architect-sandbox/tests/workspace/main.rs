//! The workspace against real directories and real git repositories.

mod change;
mod checkout;
mod conformance;
mod crash;
mod hostile;
mod properties;
mod repo;
mod tree;
