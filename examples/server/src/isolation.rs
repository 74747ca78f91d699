//! Which sandbox commands run in.

use clap::{Args, ValueEnum};

/// The sandboxes of this build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[non_exhaustive]
pub enum SandboxKind {
    /// The kernel's own means; nothing to install
    #[default]
    Native,
    /// The program bwrap, where the native one cannot start
    Bwrap,
}

/// How commands are isolated.
#[derive(Clone, Debug, Default, Args)]
#[non_exhaustive]
pub struct Isolation {
    /// Sandbox that commands run in
    #[arg(long = "sandbox", value_name = "KIND", value_enum, default_value_t)]
    pub kind: SandboxKind,
    /// Go on where a limit of the sandbox cannot be enforced here; it is recorded in the evidence
    #[arg(long)]
    pub allow_degraded: bool,
}
