//! The engine on real stores: every way a job can go, with workers that die on the way.
#![expect(clippy::unwrap_used, reason = "the whole crate is tests")]

mod bench;
mod consent;
mod crash;
mod failure;
mod journey;
mod stop;
