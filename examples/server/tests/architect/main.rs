//! The command and the server from the outside: the built binary on real git repositories.

mod api;
mod approval;
mod bad_input;
mod run;
mod support;
