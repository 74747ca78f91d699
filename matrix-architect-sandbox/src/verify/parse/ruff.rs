//! `ruff check --output-format=json`: an array of diagnostics.

use serde::Deserialize;

use super::{Report, text::finding_at};

#[derive(Deserialize)]
struct Diagnostic {
    /// Absent for a file that could not be parsed.
    code: Option<String>,
    filename: Option<String>,
    location: Option<Location>,
    message: String,
}

#[derive(Deserialize)]
struct Location {
    row: u32,
}

pub(super) fn parse(bytes: &[u8]) -> Report {
    let Ok(diagnostics) = serde_json::from_slice::<Vec<Diagnostic>>(bytes) else {
        return Report::flawed("the report is not ruff's JSON array");
    };
    let findings: Vec<_> = diagnostics
        .iter()
        .map(|diagnostic| {
            finding_at(
                diagnostic.code.as_deref().unwrap_or("syntax"),
                &diagnostic.message,
                diagnostic.filename.as_deref(),
                diagnostic.location.as_ref().map(|location| location.row),
            )
        })
        .collect();
    Report { success: Some(findings.is_empty()), findings, ..Report::default() }
}
