//! Which way a setting leans: whether more of it asks more of a change, or less.

use std::collections::BTreeSet;

use super::{
    commands,
    keys::{Leaning, leaning},
};
use crate::policy::signals::setting::HEADING;

/// Whether the key is one of a tool that judges.
pub(in crate::policy) fn is_known(key: &str) -> bool {
    leaning(key).is_some() || key == "filterwarnings"
}

/// What is asked less by a key than before, in words. Each side holds the key's values that the
/// other has not.
pub(super) fn loosened(
    file: &str,
    (section, key): (Option<&str>, &str),
    before: &[&str],
    after: &[&str],
) -> Option<String> {
    // In a table such as `per-file-ignores` the keys are what is let pass.
    let of_section = || section.and_then(leaning).filter(|leaning| *leaning == Leaning::Lets);
    let is_looser = match leaning(key).or_else(of_section) {
        _ if key == HEADING => !before.is_empty() && after.is_empty(),
        _ if key == "filterwarnings" || is_filters(before, after) => filters(before, after),
        _ if commands::is_script(key) && matches!(file, "package.json" | "pyproject.toml") => {
            commands::is_looser(before, after) || after.is_empty()
        }
        None if section.is_some_and(is_of_lints) && key == "workspace" => after.is_empty(),
        None if key.ends_with("lints.workspace") => after.is_empty(),
        Some(Leaning::Replaces) if !replaces(file) => false,
        Some(leaning) => is_looser(leaning, before, after),
        None if is_alias(file, key) => true,
        None => by_severity(file, before, after),
    };
    is_looser.then(|| words(key, before, after))
}

fn is_looser(leaning: Leaning, before: &[&str], after: &[&str]) -> bool {
    let (old, new) = (elements(before), elements(after));
    let is_off = |values: &BTreeSet<&str>| values.iter().all(|value| is_off(value));
    let is_on = |value: &&str| value.eq_ignore_ascii_case("true");
    match leaning {
        Leaning::Lets => !is_off(&new) && !new.is_subset(&old),
        Leaning::Demands => {
            let switched_off = !new.is_empty() && is_off(&new) && !is_off(&old);
            let lost = !is_off(&old) && !old.is_subset(&new) && !new.iter().any(is_on);
            switched_off || lost || (old.is_empty() && !new.is_empty() && is_off(&new))
        }
        Leaning::Scope => !old.is_subset(&new) || (old.is_empty() && !new.is_empty()),
        Leaning::Cap => match (number(&old), number(&new)) {
            (Some(old), Some(new)) => new > old,
            (Some(_), None) => true,
            _ => false,
        },
        Leaning::Floor => match (number(&old), number(&new)) {
            (Some(old), Some(new)) => new < old,
            (Some(_), None) => true,
            _ => false,
        },
        Leaning::Replaces => !is_off(&new),
        Leaning::Options => commands::is_looser(before, after),
    }
}

fn is_off(value: &str) -> bool {
    const OFF: [&str; 7] = ["false", "0", "none", "null", "", "no", "off"];
    OFF.iter().any(|off| value.eq_ignore_ascii_case(off))
}

/// The elements of a list, or the scalar as one.
fn elements<'a>(values: &[&'a str]) -> BTreeSet<&'a str> {
    let trim = |text: &'a str| text.trim_matches(|c: char| "[]{}\"'".contains(c) || c == ' ');
    let parts = values.iter().flat_map(|value| value.split(','));
    parts.map(trim).filter(|part| !part.is_empty()).collect()
}

fn number(values: &BTreeSet<&str>) -> Option<f64> {
    values.iter().find_map(|value| value.trim_end_matches('%').parse().ok())
}

/// How grave a linter takes a rule: 0 is not at all. `"warn"`, `{ level = "deny" }`, `["error", …]`.
pub(in crate::policy) fn severity(file: &str, value: &str) -> Option<u8> {
    let value = match value.split_once("level") {
        Some((_, rest)) => rest.trim_start_matches(|c: char| "\"'=: ".contains(c)),
        None => value.trim_start_matches(['[', ' ']),
    };
    let is_quoted = value.starts_with(['"', '\'']);
    let word = value.trim_start_matches(['"', '\'']);
    let word = word.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    match word {
        "forbid" => Some(3),
        "deny" | "error" => Some(2),
        "warn" | "warning" => Some(1),
        "allow" | "off" => Some(0),
        "0" | "1" | "2" if !is_quoted && file.to_ascii_lowercase().contains("eslint") => {
            word.parse().ok()
        }
        _ => None,
    }
}

fn by_severity(file: &str, before: &[&str], after: &[&str]) -> bool {
    let worst = |values: &[&str]| values.iter().filter_map(|value| severity(file, value)).min();
    match (worst(before), worst(after)) {
        (None, Some(after)) => after == 0,
        (Some(before), Some(after)) => after < before,
        (Some(before), None) => before > 0,
        (None, None) => false,
    }
}

fn is_of_lints(section: &str) -> bool {
    section.split('.').any(|part| part == "lints")
}

/// Cargo runs an alias in the place of a tool that is no part of it.
fn is_alias(file: &str, key: &str) -> bool {
    const TOOLS: [&str; 7] = ["clippy", "fmt", "nextest", "llvm-cov", "tarpaulin", "deny", "audit"];
    file.starts_with("config") && TOOLS.contains(&key.rsplit('.').next().unwrap_or(key))
}

/// Where a path to a program takes the place of a tool: of a dependency it says something else.
fn replaces(file: &str) -> bool {
    file.starts_with("config")
        || file.starts_with("rust-toolchain")
        || file.rsplit('.').next() != Some("toml")
}

fn is_filters(before: &[&str], after: &[&str]) -> bool {
    before.iter().chain(after).any(|value| value.trim_matches(['"', '\'']).starts_with("ignore:"))
}

/// Warnings that are let pass, or are errors no longer.
fn filters(before: &[&str], after: &[&str]) -> bool {
    let (old, new) = (elements(before), elements(after));
    let is_error = |filter: &&str| filter.starts_with("error");
    new.difference(&old).any(|filter| !is_error(filter)) || old.difference(&new).any(is_error)
}

/// `unwrap_used: "deny" is now "allow"`.
fn words(key: &str, before: &[&str], after: &[&str]) -> String {
    let shown = |values: &[&str]| {
        let text = values.join(", ");
        let mut short: String = text.chars().take(60).collect();
        if short.len() < text.len() {
            short.push('…');
        }
        short
    };
    let key = if key.is_empty() { "a list" } else { key };
    match (before, after) {
        ([section], []) if key == HEADING => format!("section [{section}] gone"),
        ([], after) => format!("{key} newly {}", shown(after)),
        (before, []) => format!("{key} no longer {}", shown(before)),
        (before, after) => format!("{key}: {} is now {}", shown(before), shown(after)),
    }
}
