//! Isolation in containers of a Docker engine.
//!
//! ```no_run
//! # async fn example(tree: &dyn matrix_architect_core::traits::Tree) -> matrix_architect_core::error::Result<()> {
//! use matrix_architect_core::{
//!     id::SessionId,
//!     traits::{Cancel, Command, Sandbox as _, SessionSpec},
//! };
//! use matrix_architect_sandbox::docker::{DockerConfig, DockerSandbox};
//!
//! let sandbox = DockerSandbox::connect(DockerConfig::new("rust:1.95")).await?;
//! let session = sandbox.open(tree, &SessionSpec::new(SessionId::from_number(1))).await?;
//! let mut output = Vec::new();
//! let exit = session.run(&Command::shell("make test"), &mut output, &Cancel::new()).await?;
//! assert!(exit.verdict.is_success());
//! session.close().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Who is who
//! * A **space** is what a session can write: a volume in memory with a size, kept mounted by a
//!   container that only waits, the **holder**. The tree comes and goes through it as archives. The
//!   holder's network, which is a loopback interface, is that of all the session's containers.
//! * A **runner** is the container of one command. It is made ahead and waits; its process 1 is the
//!   image's own shell, which takes one line, runs the command and says how it ended. A command
//!   that is out of time or not wanted any more is ended by killing its container, so nothing of
//!   it stays, and what it left running at its end goes the same way.
//! * A **service** is a command that nobody waits for: a runner that is followed by a task of ours
//!   until it ends or the session does. It is held still while files are taken out.
//! * The **background** is a thread that makes containers ahead and removes what is let go.
//!
//! # What is visible
//! The image, read-only; the tree at `/workspace`, a home, temporary folders and shared memory, all
//! in the space; nothing of the engine's machine. Of hosts nothing, or what a session may reach
//! through a proxy: the server listens inside, on the session's own loopback interface, which needs
//! the engine on this machine and the right to enter a network. The environment is the image's, with what the
//! configuration, the session and the command say.
//!
//! # What the engine's word is worth
//! Where the engine runs on this machine, limits are read back from the kernel, and what a command
//! used and ran into comes from its cgroup. Elsewhere both are the engine's word, and memory is
//! reported as watched: the engine notices late at times that memory ran out.
//!
//! With gVisor as the runtime, processes are counted by the kernel inside, which does not tell when
//! it refused one: such a command ends with its own exit code. gVisor's own memory and threads are
//! in the container's cgroup, which is larger by that.
//!
//! Of what comes from inside, only the exit code is taken: whoever controls a command can say to be
//! process 1, and controls its exit code anyway. Bounds, counts and ends are the kernel's word.
//! Whether a code above 128 is an exit or a signal is what the shell says of its child. Of SIGINT and
//! SIGPIPE shells say nothing, so 130 and 141 are taken for them.

mod binds;
mod cgroup;
mod collect;
mod config;
mod container;
mod doctor;
mod door;
mod engine;
mod fault;
mod held;
mod image;
mod job;
mod labels;
mod local;
mod maker;
mod marker;
mod pulled;
mod reap;
mod run;
mod sandbox;
mod seccomp;
mod service;
mod session;
mod shape;
mod space;
mod still;
mod word;

pub use crate::common::Check;
pub use config::{ContainerRuntime, DockerConfig, Pinning};
pub use doctor::doctor;
pub use sandbox::DockerSandbox;
