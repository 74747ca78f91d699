//! Isolation by [bubblewrap](https://github.com/containers/bubblewrap): the fallback where the
//! native sandbox cannot start, and the oracle its verdicts are compared with.
//!
//! ```no_run
//! # async fn example(tree: &dyn matrix_architect_core::traits::Tree) -> matrix_architect_core::error::Result<()> {
//! use matrix_architect_core::{
//!     id::SessionId,
//!     traits::{Cancel, Command, Sandbox as _, SessionSpec},
//! };
//! use matrix_architect_sandbox::bwrap::{BwrapConfig, BwrapSandbox};
//!
//! let sandbox = BwrapSandbox::new(BwrapConfig::in_directory("/var/lib/architect/sessions"))?;
//! let session = sandbox.open(tree, &SessionSpec::new(SessionId::from_number(1))).await?;
//! let mut output = Vec::new();
//! let exit = session.run(&Command::shell("make test"), &mut output, &Cancel::new()).await?;
//! assert!(exit.verdict.is_success());
//! session.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # How it differs from the native sandbox
//! * A session is a file system in memory that a process of its own holds; every command is a `bwrap` of
//!   its own over it. What commands write there counts as their memory, too.
//! * Whether a command exited or was ended by a signal is the word of the shell that is process 1. Of
//!   SIGINT and SIGPIPE shells say nothing, so the codes 130 and 141 are taken for them.
//! * It has neither landlock, nor egress, nor services.
//!
//! Root, environment, cgroups and the system call filter are the native sandbox's.

mod arguments;
mod config;
mod control;
mod doctor;
mod run;
mod sandbox;
mod session;
mod space;

pub use crate::common::Check;
pub use config::BwrapConfig;
pub use doctor::doctor;
pub use sandbox::BwrapSandbox;
