//! The workspace against real directories and real git repositories.

mod checkout;
mod repo;
mod tree;
