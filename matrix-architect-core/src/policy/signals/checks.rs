//! What the checks found that did not stop the change.

use super::{Scene, Sightings, SignalKind};
use crate::evidence::{CheckResult, Evidence, EvidenceKind};

/// The scans of added lines.
const SECRETS: &str = "security.secrets";
const TEXT: &str = "security.text";

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for evidence in scene.input.evidence {
        note(evidence, scene.rules.coverage_drop, seen);
    }
    if !scene.input.constraints.security_scan {
        // Whoever submits a change may not decide that nobody looks for its secrets.
        seen.note(SignalKind::ChecksLoosened, "the request turns the security scan off");
    }
    if scene.input.evidence.is_empty() {
        seen.note(SignalKind::CheckMissing, "nothing was checked");
    } else if scene.input.constraints.security_scan {
        for scan in [SECRETS, TEXT] {
            if !scene.input.evidence.iter().any(|evidence| evidence.name == scan) {
                seen.note(SignalKind::CheckMissing, format!("{scan} did not run"));
            }
        }
    }
}

fn note(evidence: &Evidence, tolerated: u32, seen: &mut Sightings) {
    let found = match evidence.name.as_str() {
        SECRETS => SignalKind::SecretFound,
        TEXT => SignalKind::DeceptiveText,
        _ if evidence.kind == EvidenceKind::CoverageReport => SignalKind::CoverageDrop,
        _ => SignalKind::CheckFailed,
    };
    // A finding is a finding, whatever the check made of it.
    let has_new_findings = matches!(found, SignalKind::SecretFound | SignalKind::DeceptiveText)
        && evidence.findings.iter().any(|finding| !finding.preexisting);
    match evidence.result {
        CheckResult::Inconclusive => seen.note(SignalKind::CheckMissing, said(evidence)),
        CheckResult::Failed | CheckResult::Warned => seen.note(found, said(evidence)),
        CheckResult::Passed if has_new_findings => seen.note(found, said(evidence)),
        CheckResult::Passed => {}
    }
    match coverage_drop(evidence) {
        Some(drop) if drop > f64::from(tolerated) => {
            let place = format!("{} fell by {drop:.1} points", evidence.name);
            seen.note(SignalKind::CoverageDrop, place);
        }
        // The base was asked and could not tell.
        None if evidence.details.contains_key("percent")
            && evidence.details.contains_key("base") =>
        {
            let place = format!("{}: the coverage before is not known", evidence.name);
            seen.note(SignalKind::CheckMissing, place);
        }
        _ => {}
    }
}

fn said(evidence: &Evidence) -> String {
    let first = evidence.findings.iter().find(|finding| !finding.preexisting);
    let place = first.and_then(|finding| {
        let file = finding.file.as_ref()?;
        Some(finding.line.map_or_else(|| file.clone(), |line| format!("{file}:{line}")))
    });
    let text = if evidence.summary.is_empty() { None } else { Some(evidence.summary.as_str()) };
    match (text, place) {
        (Some(text), Some(place)) => format!("{}: {text} at {place}", evidence.name),
        (Some(text), None) => format!("{}: {text}", evidence.name),
        (None, Some(place)) => format!("{} at {place}", evidence.name),
        (None, None) => evidence.name.clone(),
    }
}

/// By how many points of percent the coverage is below the base's, where both are known.
fn coverage_drop(evidence: &Evidence) -> Option<f64> {
    let detail = |key: &str| evidence.details.get(key).and_then(serde_json::Value::as_f64);
    Some(detail("base_percent")? - detail("percent")?)
}
