//! Cargo's messages for machines, one JSON object a line
//! ([format](https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages)).

use serde::Deserialize;

use super::{Report, text::finding_at};

/// From which level on a diagnostic is a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// Warnings and errors.
    Warning,
    /// Errors alone; warnings are only counted.
    Error,
}

#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-message")]
    Diagnosed { message: Diagnostic },
    #[serde(rename = "build-finished")]
    Finished { success: bool },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    message: String,
    code: Option<Code>,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    is_primary: bool,
}

/// Reads the messages. The last of them must be `build-finished`, so a cut report is known.
pub(super) fn parse(bytes: &[u8], severity: Severity) -> Report {
    let mut report = Report::default();
    // A warning of a library comes once for the library and once for its tests.
    let mut seen = std::collections::BTreeSet::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| line.first() == Some(&b'{')) {
        if report.success.is_some() {
            report.flaw("there are messages after the end of the build");
        }
        match serde_json::from_slice(line) {
            Ok(Message::Diagnosed { message }) => {
                take(&mut report, &mut seen, &message, severity);
            }
            Ok(Message::Finished { success }) => report.success = Some(success),
            Ok(Message::Other) => {}
            Err(_) => report.flaw("a message is no JSON object of Cargo's"),
        }
    }
    match report.success {
        None => report.flaw("the messages end before the build did"),
        Some(false) if report.findings.is_empty() => {
            report.flaw("the build failed without an error");
        }
        Some(_) => {}
    }
    report
}

type Key = (String, String, Option<String>, Option<u32>);

fn take(
    report: &mut Report,
    seen: &mut std::collections::BTreeSet<Key>,
    message: &Diagnostic,
    severity: Severity,
) {
    let is_error = message.level.starts_with("error");
    let span = message.spans.iter().find(|span| span.is_primary).or(message.spans.first());
    // "aborting due to 3 previous errors", "4 warnings emitted": sums, not diagnostics.
    if (span.is_none() && message.code.is_none() && is_sum(&message.message))
        || !(is_error || message.level == "warning")
    {
        return;
    }
    let name = message.code.as_ref().map_or(message.level.as_str(), |code| code.code.as_str());
    let file = span.map(|span| span.file_name.as_str());
    let finding = finding_at(name, &message.message, file, span.map(|span| span.line_start));
    let key = (finding.name.clone(), finding.message.clone(), finding.file.clone(), finding.line);
    if !seen.insert(key) {
        return;
    }
    if is_error || severity == Severity::Warning {
        report.findings.push(finding);
    } else {
        report.warnings += 1;
    }
}

fn is_sum(message: &str) -> bool {
    message.starts_with("aborting due to")
        || message.ends_with("warning emitted")
        || message.ends_with("warnings emitted")
}
