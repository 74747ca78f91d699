//! What an attempt is.

use matrix_architect_core::traits::{ExitVerdict, Limits};

/// A try to get out, to take more than was given, or to leave something behind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) name: &'static str,
    pub(crate) source: Source,
    /// What stops it.
    pub(crate) held_by: &'static str,
    pub(crate) how: How,
    /// Grounds on which there is nothing to try.
    except: &'static [Kind],
}

impl Attempt {
    pub(crate) const fn new(
        name: &'static str,
        source: Source,
        held_by: &'static str,
        how: How,
    ) -> Self {
        Self { name, source, held_by, how, except: &[] }
    }

    /// The same, but not on these grounds.
    pub(crate) const fn except(mut self, grounds: &'static [Kind]) -> Self {
        self.except = grounds;
        self
    }

    pub(crate) fn is_for(&self, ground: Kind) -> bool {
        !self.except.contains(&ground)
    }
}

/// Where it was made in earnest, or is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A vulnerability by its number. Only what its exploit has to reach is tried.
    Cve(&'static str),
    /// A way out that was written up: MITRE ATT&CK by number, or title and author.
    Escape(&'static str),
    /// A manual page or kernel document that says what it could do.
    Manual(&'static str),
    /// Our own idea.
    Ours,
}

impl Source {
    /// Whether somebody published it as an attack.
    pub(crate) const fn is_published(self) -> bool {
        matches!(self, Self::Cve(_) | Self::Escape(_))
    }
}

/// How it is made, how it is judged, and how it is shown that it can succeed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum How {
    /// An expression of `driver.py` that raises if it was stopped.
    Probe(&'static str, Control),
    /// A line for the shell that a bound ends, with one of these verdicts. With the wider bound it
    /// must end by itself, with 0.
    Bound { line: &'static str, tight: Bounds, wide: Bounds, told: &'static [ExitVerdict] },
    /// A line that leaves something behind that keeps touching `beat`, and writes its number to
    /// `pids`. Beside the sandbox it must outlive the shell.
    Outlive(&'static str),
    /// A line that prints so many bytes. Beyond the cap nothing is kept; below it everything.
    Flood { line: &'static str, bytes: u64 },
    /// A line that prepares files, of which these are collected. A collector that knows no better
    /// (`naive.py`), beside the sandbox, must show the sign.
    Collect { line: &'static str, patterns: &'static [&'static str], sign: Sign },
    /// A program that asks for a host through the proxy, while only the first are allowed. With the
    /// second it must be answered.
    Ask { program: &'static str, allowed: Hosts, named: Hosts },
}

pub(crate) type Bounds = fn(Limits) -> Limits;

/// Hosts and private addresses of an egress; `PORT` and `OTHER` are those of two listeners.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosts {
    pub(crate) hosts: &'static [&'static str],
    pub(crate) private: &'static [&'static str],
}

/// Where a probe succeeds: one layer less, or none at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Control {
    /// In the ground's own sandbox, with all layers but these.
    Without(&'static [Layer]),
    /// In a process of the same user beside the sandbox.
    Beside,
    /// In a process of root's beside the sandbox.
    Root,
    /// As root of new namespaces of all kinds: what they alone would let through.
    Namespaces,
    /// Nowhere, for this reason.
    Impossible(&'static str),
}

/// A layer that can be taken away alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Seccomp,
    Landlock,
    Network,
    Ipc,
    HostName,
    CgroupView,
}

/// By what a careless collector is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// The secret, or a link that leads to it.
    Secret,
    /// The same, while somebody exchanges what is collected.
    SecretInARace,
    /// A set-uid or set-gid bit.
    SetUid,
    /// What is neither file nor link.
    Special,
    /// It never came back.
    Hung,
    /// It gave up over a name or a depth.
    Broke,
    /// More bytes or entries than were asked for.
    TooMuch,
}

/// Where attempts are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Native,
    Unprivileged,
    Docker,
    Bwrap,
}

impl Kind {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Native => "native as root",
            Self::Unprivileged => "native without root",
            Self::Docker => "Docker",
            Self::Bwrap => "bubblewrap",
        }
    }
}
