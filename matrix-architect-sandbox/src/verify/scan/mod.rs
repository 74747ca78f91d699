//! A scan of what a change adds: secrets, and text that shows readers something else than it says.
//! The scanners are pure functions of a line; only the lines a change adds are looked at.

mod added;
mod entropy;
mod format;
mod formats;
mod secrets;
#[cfg(test)]
mod tests;
mod unicode;

use globset::{Glob, GlobSet, GlobSetBuilder};
use matrix_architect_core::{
    error::{Error, Result},
    evidence::{CheckResult, Evidence, EvidenceKind, Finding},
    traits::VerifyContext,
};

pub use added::{AddedLine, added_lines};
pub use secrets::{SecretMatch, secrets};
pub use unicode::{Deception, deceptions};

use super::rules::ScanRules;

/// The most findings one piece of evidence names.
const FINDINGS: usize = 200;

/// `security.secrets` and `security.text` of a change.
///
/// Neither is required by itself: what is found is for the gate, which asks somebody or refuses.
pub(super) async fn evidence(cx: &VerifyContext<'_>, rules: &ScanRules) -> Result<[Evidence; 2]> {
    let exclude = globs(&rules.exclude)?;
    let added = added::of_trees(cx).await?;
    let (mut found, mut deceiving) = (Vec::new(), Vec::new());
    for (path, lines) in &added.files {
        if exclude.is_match(path.as_path()) {
            continue;
        }
        for line in lines {
            found.extend(secret_findings(path.as_str(), line, rules));
            deceiving.extend(deceptions(&line.text).map(|deception| {
                finding(deception.rule, deception.message, path.as_str(), line.number)
            }));
        }
    }
    Ok([
        piece(cx, "security.secrets", found, &added),
        piece(cx, "security.text", deceiving, &added),
    ])
}

fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    let bad = |source| Error::invalid("not a glob").context("field", "scan.exclude").source(source);
    for pattern in patterns {
        set.add(Glob::new(pattern).map_err(bad)?);
    }
    set.build().map_err(bad)
}

/// A secret is named by its fingerprint; not a character of it is repeated.
fn secret_findings<'a>(
    path: &'a str,
    line: &'a AddedLine,
    rules: &'a ScanRules,
) -> impl Iterator<Item = Finding> + 'a {
    secrets(&line.text).into_iter().filter_map(move |secret| {
        let fingerprint = secret.fingerprint();
        let known = rules.allow.contains(&fingerprint);
        let message = format!("{}, fingerprint {fingerprint}", secret.what);
        (!known).then(|| finding(secret.rule, &message, path, line.number))
    })
}

fn finding(name: &str, message: &str, file: &str, line: u32) -> Finding {
    Finding {
        name: name.to_owned(),
        message: message.to_owned(),
        file: Some(file.to_owned()),
        line: Some(line),
        preexisting: false,
    }
}

fn piece(
    cx: &VerifyContext<'_>,
    name: &str,
    mut findings: Vec<Finding>,
    added: &added::Added,
) -> Evidence {
    let result = match (findings.is_empty(), added.unread) {
        (false, _) => CheckResult::Failed,
        (true, 0) => CheckResult::Passed,
        (true, _) => CheckResult::Inconclusive,
    };
    let lines: usize = added.files.iter().map(|(_, lines)| lines.len()).sum();
    let total = findings.len();
    let mut summary = match total {
        0 => format!("nothing found in {lines} added lines"),
        total => format!("{total} found in {lines} added lines"),
    };
    if added.unread > 0 {
        summary = format!("{summary}, {} files are too large to scan", added.unread);
    }
    findings.truncate(FINDINGS);
    let mut evidence = Evidence::new(EvidenceKind::SecurityScan, name, result, cx.clock.now())
        .summary(summary)
        .detail("added_lines", lines)
        .detail("findings_total", total);
    evidence.required = false;
    evidence.findings = findings;
    evidence
}
