//! How each layer and limit is held, in the words of reports and of doctors.

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{Enforcement, LimitReport},
};

use super::Check;

/// A line of a report.
pub(crate) fn report(name: &str, enforcement: Enforcement, by: &str) -> LimitReport {
    LimitReport { name: name.to_owned(), enforcement, by: by.to_owned() }
}

/// The error for layers and limits that nothing holds.
pub(crate) fn refuse_absent(reports: &[LimitReport]) -> Result<()> {
    let absent = |report: &&LimitReport| report.enforcement == Enforcement::Absent;
    let Some(first) = reports.iter().find(absent) else { return Ok(()) };
    Err(Error::new(ErrorKind::Unsupported, "a limit or layer cannot be held on this machine")
        .code("not_enforced")
        .context("name", &first.name)
        .context("by", &first.by)
        .advice("run `architect doctor` for the remedy, or allow degraded isolation"))
}

/// What a doctor says of each report; `remedy` knows what to do about a layer held so.
pub(crate) fn checks(
    reports: Vec<LimitReport>,
    remedy: impl Fn(&str, Enforcement) -> &'static str,
) -> Vec<Check> {
    let check = |report: LimitReport| {
        let how = match report.enforcement {
            Enforcement::Enforced => "held by",
            Enforcement::PerProcess => "held for each process by",
            Enforcement::Polled => "watched:",
            _ => "not held:",
        };
        Check {
            ok: report.enforcement != Enforcement::Absent,
            detail: format!("{how} {}", report.by),
            remedy: remedy(&report.name, report.enforcement).to_owned(),
            layer: report.name,
        }
    };
    reports.into_iter().map(check).collect()
}

/// What a doctor says where no session can be opened: the layer that keeps it from that, by name.
pub(crate) fn closed_by(layer: &str, error: &Error, otherwise: &str) -> Vec<Check> {
    let context: Vec<_> = error.contexts().map(|(key, value)| format!("{key}: {value}")).collect();
    let mut detail = error.message().to_owned();
    if !context.is_empty() {
        detail = format!("{detail} ({})", context.join(", "));
    }
    if let Some(cause) = std::error::Error::source(error) {
        detail = format!("{detail}: {cause}");
    }
    let remedy = error.advice_str().unwrap_or(otherwise).to_owned();
    let broken = Check { layer: layer.to_owned(), ok: false, detail, remedy };
    if layer == SESSIONS {
        return vec![broken];
    }
    let none = Check {
        layer: SESSIONS.to_owned(),
        ok: false,
        detail: format!("none can be opened, so that no other layer was tried: {layer}"),
        remedy: format!("mend first: {layer}"),
    };
    vec![broken, none]
}

/// What a doctor calls that nothing can be run at all.
pub(crate) const SESSIONS: &str = "sessions";
