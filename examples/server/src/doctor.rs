//! Looking at this machine: what is there, what is missing, and what to do about it.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};

use matrix_architect_core::{error::Result, traits::Clock as _};
use matrix_architect_sandbox::{native::Check, workspace::WorkspaceConfig};
use matrix_architect_store::system::SystemClock;
use serde::Serialize;

use crate::{composition::Composition, config::Environment, home::Home};

/// Bytes below which a job can hardly run, and below which it may not.
const LITTLE: u64 = 5 << 30;
const TOO_LITTLE: u64 = 256 << 20;

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is there.
    Good,
    /// It is there in part, or only some jobs need it.
    Limited,
    /// Nothing goes without it.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub name: String,
    /// How well it is.
    pub state: State,
    /// What was found.
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn good(name: &str, detail: impl Into<String>) -> Self {
        Self { name: name.to_owned(), state: State::Good, detail: detail.into(), remedy: None }
    }

    fn not_good(name: &str, state: State, detail: impl Into<String>, remedy: &str) -> Self {
        Self { state, remedy: Some(remedy.to_owned()), ..Self::good(name, detail) }
    }
}

/// Looks at everything; `checks` are what the sandbox's own doctor found.
pub fn examine(
    home: Result<Home>,
    environment: &Environment,
    composition: &Composition,
    checks: Vec<Check>,
    port: u16,
) -> Vec<Finding> {
    let config = home.as_ref().ok().map(|home| composition.workspace_config(home));
    let mut findings = data_directory(home);
    findings.extend(config.map(git));
    findings.extend(sandbox(checks));
    findings.push(toolchains(environment));
    findings.push(clock());
    findings.push(free_port(port));
    findings
}

fn data_directory(home: Result<Home>) -> Vec<Finding> {
    let home = match home {
        Ok(home) => home,
        Err(error) => {
            let remedy = error.advice_str().unwrap_or("give --data DIR").to_owned();
            let detail = error.to_string();
            return vec![Finding::not_good("data directory", State::Missing, detail, &remedy)];
        }
    };
    let path = home.path();
    vec![writable(path), space(path), signing_key(&home)]
}

fn writable(path: &Path) -> Finding {
    let probe = path.join(format!(".doctor.{}", std::process::id()));
    match crate::home::write_atomically(&probe, b"probe", 0o600) {
        Ok(()) => {
            let _ = std::fs::remove_file(&probe);
            Finding::good("data directory", path.display().to_string())
        }
        Err(error) => Finding::not_good(
            "data directory",
            State::Missing,
            error.message(),
            error.advice_str().unwrap_or("give --data DIR"),
        ),
    }
}

fn space(path: &Path) -> Finding {
    let name = "free space";
    let Ok(disk) = rustix::fs::statvfs(path) else {
        return Finding::not_good(name, State::Limited, "unknown", "look at it with: df -h");
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let detail = format!("{} MiB", free >> 20);
    let remedy = "free some space, or give --data DIR on another disk";
    match free {
        ..TOO_LITTLE => Finding::not_good(name, State::Missing, detail, remedy),
        TOO_LITTLE..LITTLE => Finding::not_good(name, State::Limited, detail, remedy),
        _ => Finding::good(name, detail),
    }
}

fn signing_key(home: &Home) -> Finding {
    let name = "signing key";
    match crate::keys::open(home) {
        Ok(_) => Finding::good(name, home.public_key().display().to_string()),
        Err(error) => Finding::not_good(
            name,
            State::Missing,
            error.to_string(),
            error.advice_str().unwrap_or("restore the key or remove the file"),
        ),
    }
}

fn git(config: Result<WorkspaceConfig>) -> Finding {
    match config.and_then(|config| config.git_version()) {
        Ok(version) => Finding::good("git", version),
        Err(error) => Finding::not_good(
            "git",
            State::Missing,
            error.message(),
            error.advice_str().unwrap_or("install git"),
        ),
    }
}

/// Every layer and limit of the sandbox, each tried for real.
fn sandbox(checks: Vec<Check>) -> Vec<Finding> {
    let is_closed = checks.iter().any(|check| !check.ok && check.layer == "sessions");
    let findings = checks.into_iter().map(|check| {
        let name = format!("sandbox: {}", check.layer);
        let state = match (check.ok, is_closed) {
            (true, _) => State::Good,
            (false, true) => State::Missing,
            (false, false) => State::Limited,
        };
        let remedy = Some(check.remedy).filter(|remedy| !remedy.is_empty());
        Finding { name, state, detail: check.detail, remedy }
    });
    findings.collect()
}

/// Which of the languages that have suites can be checked here.
fn toolchains(environment: &Environment) -> Finding {
    let folders: Vec<PathBuf> =
        std::env::split_paths(environment.path.as_deref().unwrap_or_default()).collect();
    let there = |tool: &str| folders.iter().any(|folder| folder.join(tool).is_file());
    let found: Vec<&str> =
        ["cargo", "python3", "pytest", "ruff"].into_iter().filter(|tool| there(tool)).collect();
    if found.is_empty() {
        let remedy = "install cargo or python3, or give commands with --verify";
        return Finding::not_good("toolchains", State::Limited, "none found", remedy);
    }
    Finding::good("toolchains", found.join(", "))
}

/// A clock before the time this program was built is wrong.
fn clock() -> Finding {
    let now = SystemClock.now();
    let built = std::env::current_exe().and_then(|program| program.metadata()?.modified());
    let built = built.ok().and_then(|moment| {
        let since = moment.duration_since(std::time::UNIX_EPOCH).ok()?;
        i64::try_from(since.as_micros()).ok()
    });
    if built.is_some_and(|built| now.as_micros() < built) {
        let detail = format!("{now} is before this program was built");
        return Finding::not_good("clock", State::Missing, detail, "set the machine's clock");
    }
    Finding::good("clock", now.to_string())
}

fn free_port(port: u16) -> Finding {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Finding::good("port", format!("{port} is free")),
        Err(cause) => Finding::not_good(
            "port",
            State::Limited,
            format!("{port} cannot be listened on: {cause}"),
            "a server may be running already; else choose another with serve --listen",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_no_reason_to_stop() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let finding = free_port(taken.local_addr().unwrap().port());
        assert_eq!(finding.state, State::Limited);
        assert!(finding.remedy.unwrap().contains("--listen"));
    }

    #[test]
    fn a_data_directory_that_cannot_be_is_missing_with_its_remedy() {
        let base = tempfile::tempdir().unwrap();
        let file = base.path().join("file");
        std::fs::write(&file, "").unwrap();
        let home = Home::open(file.join("data"));
        let findings = examine(home, &Environment::default(), &Composition::new(), Vec::new(), 0);
        assert_eq!(findings[0].state, State::Missing);
        assert!(findings[0].remedy.as_ref().unwrap().contains("--data"));
    }
}
