//! Why something failed, as data that is stored, signed and shown.

use std::{error::Error as StdError, fmt};

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// A failure as it is stored: machine-readable, and with what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error's kind, in `snake_case`.
    pub kind: String,
    /// A stable code finer than the kind, such as `tests_failed`.
    pub code: String,
    /// What happened, for people.
    pub message: String,
    /// Where, such as `src/lib.rs:12` or the name of a test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
}

impl Failure {
    /// A failure with a code of its own.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: "failed".to_owned(),
            code: code.into(),
            message: message.into(),
            location: None,
            next_action: None,
        }
    }

    /// Names the place.
    #[must_use]
    pub fn at(mut self, location: impl Into<String>) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn next(mut self, action: impl Into<String>) -> Self {
        self.next_action = Some(action.into());
        self
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let mut message = error.message().to_owned();
        // Place and remedy have fields of their own.
        let context: Vec<String> = error
            .contexts()
            .filter(|(key, _)| *key != "location")
            .map(|(key, value)| format!("{key}: {value}"))
            .collect();
        if !context.is_empty() {
            message = format!("{message} ({})", context.join(", "));
        }
        let mut cause = StdError::source(error);
        while let Some(source) = cause {
            message = format!("{message}: {source}");
            cause = source.source();
        }
        Self {
            kind: error.kind().as_str().to_owned(),
            code: error.code_str().to_owned(),
            message,
            location: error.context_value("location").map(ToOwned::to_owned),
            next_action: error.advice_str().map(ToOwned::to_owned),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(location) = &self.location {
            write!(f, " at {location}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_and_remedy_are_said_once() {
        let error = Error::invalid("2 tests failed")
            .context("suite", "unit")
            .context("location", "src/lib.rs:7")
            .advice("correct the change");
        let failure = Failure::from(&error);
        assert_eq!(failure.to_string(), "2 tests failed (suite: unit) at src/lib.rs:7");
        assert_eq!(failure.next_action.as_deref(), Some("correct the change"));
    }
}
