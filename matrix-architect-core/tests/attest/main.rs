//! Attestations from the outside: what we sign is accepted by us and by strangers, and nothing else
//! is.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod admission;
mod fixture;
mod flips;
mod forged;
mod good;
mod semantic;
#[cfg(feature = "conformance")]
mod signer;
mod third_party;
