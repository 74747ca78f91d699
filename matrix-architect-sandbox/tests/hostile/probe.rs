//! Probes: many in one run of `driver.py`, wherever that runs.

use std::collections::BTreeMap;

use matrix_architect_core::traits::{Command, ExitVerdict, Session};
use serde::{Deserialize, Serialize};

use crate::ground::ran;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) why: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It got what it wanted.
    Open,
    Stopped,
    /// Neither: it says nothing about any layer.
    Broken,
}

impl Told {
    pub(crate) fn open(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Open, why: why.into() }
    }

    pub(crate) fn stopped(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Stopped, why: why.into() }
    }

    pub(crate) fn broken(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Broken, why: why.into() }
    }

    /// Whether rights were wanting.
    pub(crate) fn is_refused(&self) -> bool {
        self.outcome == Outcome::Stopped && self.why.starts_with("PermissionError")
    }

    /// Whether the kernel, or the machine, has not got what was wanted.
    pub(crate) fn is_missing(&self) -> bool {
        let missing = ["OSError(38,", "FileNotFoundError(2,", "OSError(6,"];
        self.outcome == Outcome::Stopped && missing.iter().any(|text| self.why.starts_with(text))
    }
}

pub(crate) type Results = BTreeMap<String, Told>;

/// Names and expressions.
pub(crate) type Probes = [(&'static str, &'static str)];

/// What runs them, for Python's `-c`.
pub(crate) fn program(aims: &str) -> String {
    format!("APART = 0\n{aims}{}", include_str!("driver.py"))
}

/// What the program reads.
pub(crate) fn lines(probes: &Probes) -> String {
    probes.iter().flat_map(|(name, text)| [name, "\t", text, "\n"]).collect()
}

/// What the program told.
pub(crate) fn parsed(output: &str) -> Results {
    let lines = output.lines().filter(|line| line.starts_with('['));
    let told = lines.map(|line| {
        let (name, outcome, why) = serde_json::from_str(line).unwrap();
        (name, Told { outcome, why })
    });
    told.collect()
}

/// Makes them in a session.
pub(crate) async fn inside(session: &dyn Session, aims: &str, probes: &Probes) -> Results {
    let mut command = Command::new(["/usr/bin/python3", "-c", &program(aims)]);
    command.stdin = lines(probes).into();
    let (exit, told) = ran(session, &command).await;
    assert_eq!(exit.verdict, ExitVerdict::Exited(0), "{told}");
    parsed(&told)
}
