//! What the Go compiler and `go vet` print: `file.go:line:column: message`, under headings that
//! name the package.

use std::path::Path;

use super::{
    Report,
    text::{finding_at, place},
};

/// Whether it is a Go source.
pub(super) fn is_source(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|extension| extension == "go")
}

pub(super) fn parse(text: &str) -> Report {
    let mut report = Report::default();
    for line in text.lines() {
        let line = line.strip_prefix("vet: ").unwrap_or(line);
        let Some((at, message)) = line.split_once(": ") else { continue };
        let Some((file, number)) = place(at) else { continue };
        if is_source(file) {
            report.findings.push(finding_at("go", message, Some(file), Some(number)));
        }
    }
    report
}
