//! How a job ended, in full: for people as a page, for programs as one document.

use std::path::PathBuf;

use matrix_architect_core::{
    job::{Job, JobStatus},
    policy::Signal,
};
use serde::Serialize;

use super::{Screen, evidence_table};

/// What `architect run --json` prints: one document.
#[derive(Clone, Debug, Serialize)]
pub struct RunReport {
    /// The exit code of the command.
    pub exit_code: u8,
    /// The job.
    pub job: Job,
    /// Where its attestation lies.
    pub attestation: Option<PathBuf>,
    /// The public key that verifies it.
    pub public_key: Option<PathBuf>,
    /// The command that verifies it, each word of its own.
    pub verify: Option<Vec<String>>,
    /// The command somebody else approves with, if the job waits for that.
    pub approve: Option<Vec<String>>,
    /// The command an operator decides with, if the job needs one.
    pub resolve: Option<Vec<String>>,
}

/// The report as a page.
pub fn summary(screen: Screen, report: &RunReport) -> String {
    let job = &report.job;
    let mut page = String::new();
    if !job.evidence.is_empty() {
        page.push('\n');
        page.push_str(&evidence_table(screen, &job.evidence).trim_fmt());
        page.push('\n');
    }
    page.push('\n');
    page.push_str(&facts(screen, report).join("\n"));
    page
}

fn facts(screen: Screen, report: &RunReport) -> Vec<String> {
    let job = &report.job;
    let mut lines = vec![outcome(screen, job)];
    lines.extend(failed_tests(job));
    if let Some(next) = job.failure.as_ref().and_then(|failure| failure.next_action.as_ref()) {
        lines.push(format!("next         {next}"));
    }
    lines.extend(job.gate.iter().flat_map(|gate| {
        let signals = gate.score.iter().flat_map(|score| &score.signals);
        let signals = signals.filter(|signal| signal.points > 0).map(risk);
        std::iter::once(format!("risk         {}", gate.risk)).chain(signals)
    }));
    lines.extend(job.releases.iter().map(|release| {
        let reference = &release.reference;
        let place = release.uri.as_deref().unwrap_or("(no address)");
        format!("live         {} {} at {place}", reference.service, reference.version)
    }));
    lines.extend(
        job.publications.iter().map(|one| format!("published    {} to {}", one.revision, one.uri)),
    );
    if let Some(path) = &report.attestation {
        lines.push(format!("attestation  {}", path.display()));
    }
    if let Some(command) = &report.verify {
        lines.push(format!("check it     {}", shell(command)));
    }
    if let Some(command) = &report.approve {
        lines.push(format!("approve      {}", shell(command)));
        lines.push(
            "             then the same `architect run` again, or: ".to_owned()
                + &shell(&resume(job, command)),
        );
    }
    if let Some(command) = &report.resolve {
        lines.push(format!("resolve      {}", shell(command)));
        lines.push(
            "             with --accept in place of --retry once it was put right by hand"
                .to_owned(),
        );
    }
    lines
}

/// The command that goes on, in the same data directory as the one that approves.
fn resume(job: &Job, approve: &[String]) -> Vec<String> {
    let mut words = vec!["architect".to_owned(), "resume".to_owned(), job.id.to_string()];
    let data = approve.iter().position(|word| word == "--data");
    words.extend(data.into_iter().flat_map(|at| approve[at..].iter().take(2).cloned()));
    words
}

fn outcome(screen: Screen, job: &Job) -> String {
    let (word, color) = match job.status {
        JobStatus::Succeeded => ("succeeded", "32;1"),
        JobStatus::WaitingApproval => ("waits for approval", "33;1"),
        JobStatus::Aborted => ("aborted", "31;1"),
        JobStatus::NeedsOperator => ("needs an operator", "31;1"),
        JobStatus::Failed => ("failed", "31;1"),
        other => (other.as_str(), "33;1"),
    };
    let stage = job.current_stage.map_or("", |stage| stage.as_str());
    let why = match (job.status, &job.error) {
        (JobStatus::Succeeded | JobStatus::WaitingApproval, _) | (_, None) => String::new(),
        (_, Some(error)) => format!(" at {stage}: {}", reason(job).unwrap_or(error)),
    };
    format!("{}  {}{why}", screen.paint(word, color), job.id)
}

/// The failure without its place and remedy, which have lines of their own.
fn reason(job: &Job) -> Option<&str> {
    let failure = job.failure.as_ref()?;
    let mut text = failure.message.as_str();
    if let Some(next) = &failure.next_action {
        text = text.split(&format!("; {next}")).next()?;
    }
    if let Some(location) = &failure.location {
        text = text.split(&format!(" (location: {location})")).next()?;
    }
    Some(text)
}

fn failed_tests(job: &Job) -> Vec<String> {
    let failed = job.evidence.iter().filter(|evidence| !evidence.passed);
    failed
        .flat_map(|evidence| &evidence.findings)
        .map(|finding| {
            let place = match (&finding.file, finding.line) {
                (Some(file), Some(line)) => format!(" ({file}:{line})"),
                (Some(file), None) => format!(" ({file})"),
                (None, _) => String::new(),
            };
            let before = if finding.preexisting { ", failed before the change too" } else { "" };
            let message = finding.message.lines().next().unwrap_or_default();
            format!("  ✗ {}{place}{before}: {message}", finding.name)
        })
        .collect()
}

fn risk(signal: &Signal) -> String {
    format!("  +{:<3} {}: {}", signal.points, signal.name, signal.detail)
}

/// A command as it can be pasted into a shell.
pub(crate) fn shell(words: &[String]) -> String {
    let quoted = words.iter().map(|word| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@,+".contains(&byte);
        if !word.is_empty() && word.bytes().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_survives_the_shell() {
        let words = ["architect", "verify", "/tmp/a b/it's.json"].map(ToOwned::to_owned);
        assert_eq!(shell(&words), r"architect verify '/tmp/a b/it'\''s.json'");
    }
}
