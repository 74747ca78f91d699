//! What `eslint --format json` prints: one object for each file.

use serde::Deserialize;

use super::{Report, text::finding_at};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    file_path: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    rule_id: Option<String>,
    severity: u8,
    #[serde(rename = "message")]
    text: String,
    line: Option<u32>,
}

pub(super) fn parse(bytes: &[u8]) -> Report {
    let Ok(files) = serde_json::from_slice::<Vec<File>>(bytes) else {
        return Report::flawed("the report is not ESLint's JSON");
    };
    let mut report = Report::default();
    for file in &files {
        for message in &file.messages {
            if message.severity < 2 {
                report.warnings += 1;
                continue;
            }
            let name = message.rule_id.as_deref().unwrap_or("eslint");
            let place = Some(file.file_path.as_str());
            report.findings.push(finding_at(name, &message.text, place, message.line));
        }
    }
    report.success = Some(report.findings.is_empty());
    report
}
