//! The command and the server from the outside: the built binary on real git repositories.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test fails where it unwraps")]

mod api;
mod approval;
mod bad_input;
mod containers;
mod doctor;
mod full;
mod interrupted;
mod killed;
mod operator;
mod readme;
mod remote;
mod run;
mod samples;
mod sandbox;
mod support;
#[cfg(feature = "docker")]
#[path = "../../../../matrix-architect-sandbox/tests/common/image.rs"]
mod test_image;
mod unsandboxed;
mod warm;
