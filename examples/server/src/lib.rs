//! A whole server and its command, put together from the SDK's crates.
//!
//! The binary `architect` is three lines around [`cli::main`]. A team that has a deploy target of
//! its own writes those three lines again with its own adapter in them:
//!
//! ```no_run
//! use std::sync::Arc;
//! use matrix_architect_deploy::none::NoneDeployer;
//! use matrix_architect_server::{Composition, cli};
//! use matrix_architect_store::system::SystemClock;
//!
//! fn main() -> std::process::ExitCode {
//!     let mine = NoneDeployer::new(Arc::new(SystemClock)); // any `Deployer`
//!     cli::main(Composition::new().deployer("mine", Arc::new(mine)))
//! }
//! ```
//!
//! or starts just the server from a program that has its own `main`: see [`Server`].

pub mod admin_token;
pub mod api;
pub mod cli;
mod client;
pub mod composition;
pub mod config;
pub mod doctor;
pub mod fetching;
pub mod home;
pub mod isolation;
pub mod keys;
pub mod logging;
mod nowhere;
pub mod output;
pub mod server;
pub mod token;

pub use client::Client;
pub use composition::{Composition, Installation};
pub use fetching::Fetching;
pub use isolation::{Isolation, SandboxKind};
pub use server::{Server, ServerBuilder};
