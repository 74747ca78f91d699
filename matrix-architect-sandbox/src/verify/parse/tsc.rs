//! What `tsc --pretty false` prints: `file(line,column): error TS1234: message`.

use super::{
    Report,
    text::{finding, finding_at},
};

pub(super) fn parse(text: &str) -> Report {
    let mut report = Report::default();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("error TS") {
            let (code, message) = rest.split_once(": ").unwrap_or((rest, rest));
            report.findings.push(finding(&format!("TS{code}"), message));
        } else if let Some((at, rest)) = line.split_once("): error TS")
            && let (Some((file, place)), Some((code, message))) =
                (at.rsplit_once('('), rest.split_once(": "))
        {
            let number = place.split(',').next().and_then(|number| number.parse().ok());
            report.findings.push(finding_at(&format!("TS{code}"), message, Some(file), number));
        }
    }
    report
}
