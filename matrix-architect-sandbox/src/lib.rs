//! Where a change is prepared and judged.
//!
//! - [`workspace`]: code in and out. Checkouts that run nothing of the repository, plans resolved on
//!   a base, patches applied as a whole or not at all, hostile archives unpacked safely.
//! - `native`: commands that nobody trusts, run by the kernel's own means: namespaces, cgroups,
//!   seccomp, landlock. No daemon and no external binary.
//! - `bwrap`: the same by bubblewrap, as a fallback and to compare with.
//! - `egress`: the proxy through which a session reaches named hosts, and nothing else.
//! - `docker`: the same in containers of a Docker engine, local or not.
//! - `kubernetes`: the same in Pods of a cluster.
//! - `verify`: the suites of a project, what their tools print, and the judgement of both by the
//!   rules of the tree before the change.
//!
//! Everything here implements a trait of
//! [`matrix_architect_core::traits`] and is held to it by core's conformance suites.

#[cfg(all(feature = "bwrap", target_os = "linux"))]
pub mod bwrap;
#[cfg(all(any(feature = "native", feature = "docker"), target_os = "linux"))]
mod common;
#[cfg(all(feature = "docker", target_os = "linux"))]
pub mod docker;
#[cfg(feature = "egress")]
pub mod egress;
#[cfg(all(feature = "kubernetes", target_os = "linux"))]
pub mod kubernetes;
#[cfg(all(feature = "native", target_os = "linux"))]
pub mod native;
#[cfg(feature = "verify")]
pub mod verify;
pub mod workspace;
