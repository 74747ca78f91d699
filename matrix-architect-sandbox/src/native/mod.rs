//! Isolation by the Linux kernel alone: no daemon, no external binary, as root or without.
//!
//! ```no_run
//! # async fn example(tree: &dyn matrix_architect_core::traits::Tree) -> matrix_architect_core::error::Result<()> {
//! use matrix_architect_core::{
//!     id::SessionId,
//!     traits::{Cancel, Command, Sandbox as _, SessionSpec},
//! };
//! use matrix_architect_sandbox::native::{NativeConfig, NativeSandbox};
//!
//! let sandbox = NativeSandbox::new(NativeConfig::default())?;
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
//! * The **server**, the program that embeds this crate, is never forked.
//! * The **helper** is a copy of the same program that does nothing but fork; see
//!   [`helper_main_if_requested`] for how it starts. It builds the root of all sessions once, and
//!   keeps network namespaces that are as new.
//! * A **session** is a process of the helper's, pid 1 of its own pid namespace, in a copy of that
//!   root: toolchains read-only, one size-capped space in memory for the tree, the home and the
//!   temporary folders. Everything a session has lives in its namespaces and ends with it.
//! * A **seat** is a pair of processes that wait for a command in a pid namespace below the
//!   session's, as nobody, without capabilities, under landlock and seccomp, in cgroups where the
//!   machine lets us make some. It is made while the tree is unpacked or the command before runs,
//!   and takes one command.
//! * A **service** is a command that nobody waits for: it has a seat and cgroups of its own beside
//!   the commands', shares their files and their loopback interface, and ends with its first
//!   process or with the session. Services and commands do not see or signal each other, and
//!   abstract unix sockets do not lead from one to the other; paths do.
//!
//! What the host mounts after the helper has started is not seen by sessions; their own binds are
//! taken when they open.
//!
//! # What is visible
//! `/usr` and its companions, the toolchains of [`NativeConfig`], a few files of `/etc`, the
//! tree at `/workspace`. Not visible: homes, `/run`, `/var`, `/sys`, the host's `/tmp`, processes,
//! network, sockets and devices.
//!
//! What the tree, the home and the temporary folders hold is memory: it counts against the disk
//! limit, and where a cgroup bounds memory also against that of the command that wrote it.

mod bounds;
mod cgroup;
mod collect;
mod command;
mod config;
mod confine;
mod confinement;
mod doctor;
mod door;
mod errand;
mod fault;
mod fill;
mod helper;
mod hook;
mod init;
mod keeper;
mod landlock_rules;
mod launcher;
mod link;
mod meter;
mod network;
mod owner;
mod plan;
mod prepared;
mod root;
mod run;
mod sandbox;
mod seat;
mod seccomp_filter;
mod service;
mod session;
mod stand;
mod supervise;
mod sys;
mod toolchain;
mod verdict;
mod warm;
mod wire;

pub use crate::common::Check;
#[cfg(feature = "bwrap")]
pub(crate) use bounds::check_binds;
#[cfg(feature = "bwrap")]
pub(crate) use cgroup::{Controller, Group, Hierarchies, Version};
#[cfg(feature = "bwrap")]
pub(crate) use collect::collect_beneath;
#[cfg(feature = "bwrap")]
pub(crate) use confine::is_privileged;
#[cfg(feature = "bwrap")]
pub(crate) use fault::Fault;
#[cfg(feature = "bwrap")]
pub(crate) use meter::cgroup_micros;
#[cfg(feature = "bwrap")]
pub(crate) use owner::Owner;
#[cfg(feature = "bwrap")]
pub(crate) use plan::{environment, root};
#[cfg(feature = "bwrap")]
pub(crate) use root::{HOME, TREE, inodes};
#[cfg(feature = "bwrap")]
pub(crate) use run::{make_group, not_executed, standard_input};
#[cfg(feature = "bwrap")]
pub(crate) use seccomp_filter::Filters;
#[cfg(feature = "bwrap")]
pub(crate) use sys::with_streams_alone;
#[cfg(feature = "bwrap")]
pub(crate) use verdict::judge;
#[cfg(feature = "bwrap")]
pub(crate) use wire::{Ended, RootPlan};

pub use config::{CgroupUse, NativeConfig};
pub use doctor::doctor;
pub use hook::helper_main_if_requested;
pub use sandbox::NativeSandbox;
pub use toolchain::{Toolchains, detect_toolchains};
