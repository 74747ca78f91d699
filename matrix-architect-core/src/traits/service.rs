//! What runs beside a session's commands.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{Command, ExitVerdict};

/// A process that runs beside a session's commands, such as a database that tests need. It shares
/// the session's network and files, has bounds like a command, and ends with the session. It runs
/// in the foreground: it is over when its first process ends, and what that started ends with it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Service {
    /// Its name in messages; one of its kind in the session.
    pub name: String,
    /// What is run. Its limit of wall clock time does not count: it lives as long as the session.
    pub command: Command,
    /// How it is known to be ready.
    pub ready: Readiness,
    /// How long it may take to be ready.
    pub patience: Duration,
}

impl Service {
    /// A service that may take a minute to be ready.
    pub fn new(name: impl Into<String>, command: Command, ready: Readiness) -> Self {
        Self { name: name.into(), command, ready, patience: Duration::from_mins(1) }
    }

    /// How long it may take to be ready.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }
}

/// How a service is known to be ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Readiness {
    /// Something listens on this TCP port of the session's loopback interface.
    Port(u16),
    /// This line for `sh -c`, run in the session, succeeds.
    Command(String),
}

/// How a service does.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceState {
    /// Its name.
    pub name: String,
    /// How it ended; `None` while it runs.
    pub ended: Option<ExitVerdict>,
    /// The end of what it wrote, both streams together; at most 64 KiB.
    pub output: Bytes,
}

impl ServiceState {
    /// A service that runs, or has ended like this.
    pub const fn new(name: String, ended: Option<ExitVerdict>, output: Bytes) -> Self {
        Self { name, ended, output }
    }
}
