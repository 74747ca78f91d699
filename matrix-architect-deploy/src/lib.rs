//! The world outside: where releases go, where changes are made public, and the clients of both.
//!
//! Each deploy target is a folder of the same few files: `config` (what a job may say), `render`
//! (pure: what would be done, as text), `client` (what talks to the target) and `deployer` (the
//! [`Deployer`](matrix_architect_core::traits::Deployer) itself). Publishers are one file each.
//! Every backend is a feature and is found under its registered name:
//!
//! | name | feature | |
//! |---|---|---|
//! | `none` | always | nowhere, and says so |
//! | `systemd` | `systemd` | releases in a directory of this machine, with a unit or a command |
//! | `directory` | `publish-directory` | bundle, attestation and reports in a directory |
//! | `git` | `publish-git` | the changed tree as a branch |

#[cfg(any(feature = "publish-directory", feature = "publish-git", feature = "systemd"))]
#[cfg_attr(
    not(feature = "systemd"),
    expect(dead_code, reason = "a backend alone needs only a part of it")
)]
mod disk;
pub mod none;
#[cfg(any(feature = "publish-directory", feature = "publish-git"))]
pub mod publish;
mod settings;
#[cfg(feature = "systemd")]
pub mod systemd;
