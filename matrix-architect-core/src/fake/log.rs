//! A log that is kept.

use std::sync::Mutex;

use super::locked;
use crate::traits::LogSink;

/// Keeps every line, so that a test can look for what must or must not be said.
#[derive(Debug, Default)]
pub struct CollectedLog(Mutex<Vec<String>>);

impl CollectedLog {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// The lines so far.
    pub fn lines(&self) -> Vec<String> {
        locked(&self.0).clone()
    }

    /// The lines so far as one text.
    pub fn text(&self) -> String {
        locked(&self.0).join("\n")
    }
}

impl LogSink for CollectedLog {
    fn line(&self, line: &str) {
        locked(&self.0).push(line.to_owned());
    }
}
