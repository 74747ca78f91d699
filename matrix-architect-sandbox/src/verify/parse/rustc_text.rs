//! Compile errors in the text that rustc and Cargo print on standard error.

use matrix_architect_core::evidence::Finding;

use super::text::{finding_at, place};

/// Every error with a place: `error[E0308]: message`, then ` --> file:line:column`.
pub(super) fn errors(stderr: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut open: Option<(&str, &str)> = None;
    for line in stderr.lines() {
        if let Some(header) = header(line) {
            open = Some(header);
        } else if let Some(at) = line.trim_start().strip_prefix("--> ")
            && let Some((name, message)) = open.take()
            && let Some((file, line)) = place(at)
        {
            findings.push(finding_at(name, message, Some(file), Some(line)));
        }
    }
    findings.dedup();
    findings
}

/// The code (or just `error`) and the message of an error's first line.
fn header(line: &str) -> Option<(&str, &str)> {
    let rest = line.strip_prefix("error")?;
    if let Some(message) = rest.strip_prefix(": ") {
        return Some(("error", message));
    }
    let (code, message) = rest.strip_prefix('[')?.split_once("]: ")?;
    Some((code, message))
}

/// Cargo's first own complaint, without its prefix.
pub(super) fn complaint(stderr: &str) -> Option<&str> {
    stderr.lines().find_map(|line| line.strip_prefix("error: "))
}
