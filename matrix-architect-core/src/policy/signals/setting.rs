//! One setting of a configuration file, as far as a line tells: TOML, INI, JSON, YAML, and the
//! object literals of JavaScript are alike enough line by line.

use crate::policy::diff::{ChangedFile, Line};

/// A setting, or one element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Setting<'a> {
    /// The section it stands in; `None` if that is out of sight.
    pub(super) section: Option<&'a str>,
    /// Its key, or that of the list it is an element of; `[]` for a section's heading, empty if
    /// that is out of sight.
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

/// The key of a heading.
pub(super) const HEADING: &str = "[]";

/// What is known of one side of a hunk on the way down.
#[derive(Clone, Copy, Debug, Default)]
struct Side<'a> {
    section: Option<&'a str>,
    key: &'a str,
}

/// The lines that went and came with what they set; a hunk knows nothing of the one before.
pub(super) fn changed<'a>(file: &ChangedFile<'a>) -> Vec<(Line<'a>, Option<Setting<'a>>)> {
    let (mut before, mut after) = (Side::default(), Side::default());
    let mut changed = Vec::new();
    for (index, line) in file.lines.all.iter().enumerate() {
        if file.lines.hunks.binary_search(&index).is_ok() {
            (before, after) = (Side::default(), Side::default());
        }
        for text in pieces(file.name(), line.text()) {
            match line {
                Line::Context(_) => {
                    before.read(text);
                    after.read(text);
                }
                Line::Removed(_) => changed.push((Line::Removed(text), before.read(text))),
                Line::Added(_) => changed.push((Line::Added(text), after.read(text))),
            }
        }
    }
    changed
}

/// A line of JSON holds as many settings as its author likes: one a piece. Lists stay whole.
fn pieces<'a>(name: &str, line: &'a str) -> Vec<&'a str> {
    let is_one = match line.matches("\":").count() {
        0 => true,
        1 => !line.contains(['{', '}']),
        _ => false,
    };
    if is_one || name.rsplit('.').next() != Some("json") {
        return vec![line];
    }
    let (mut in_string, mut is_escaped, mut depth) = (false, false, 0_u32);
    let ends = |c: char| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '\\' if in_string => is_escaped = !was_escaped,
            '"' if !was_escaped => in_string = !in_string,
            '[' if !in_string => depth += 1,
            ']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        !in_string && depth == 0 && matches!(c, '{' | '}' | ',')
    };
    let pieces = line.split_inclusive(ends).map(|piece| piece.trim().trim_end_matches('}').trim());
    pieces.filter(|piece| !piece.is_empty()).collect()
}

impl<'a> Side<'a> {
    /// The setting of the next line; `None` for comments, blanks and lone brackets.
    fn read(&mut self, line: &'a str) -> Option<Setting<'a>> {
        let text = line.trim_start_matches('\u{feff}').trim();
        if text.is_empty() || is_comment(text) {
            return None;
        }
        if text.chars().all(|c| "[]{}(),;".contains(c)) {
            if text.contains([']', ')']) {
                self.key = "";
            }
            return None;
        }
        if let Some(section) = heading(text) {
            (self.section, self.key) = (Some(section), "");
            return Some(Setting { section: self.section, key: HEADING, value: section });
        }
        let text = text.strip_prefix("- ").unwrap_or(text);
        let value = match split(text) {
            Some((key, value)) => {
                self.key = key;
                value
            }
            None => text,
        };
        let value = uncommented(value).trim_end_matches([',', ';']).trim_end();
        Some(Setting { section: self.section, key: self.key, value })
    }
}

impl Setting<'_> {
    /// Whether a manifest says it to tools that judge: by its section, or by its key where the
    /// section is out of sight.
    pub(super) fn is_of_tools(&self, manifest: &str) -> bool {
        match manifest {
            "Cargo.toml" => self.is_of_cargo(),
            "package.json" => self.is_of_node(),
            _ => self.is_of_python(),
        }
    }

    fn is_of_cargo(&self) -> bool {
        const TARGETS: [&str; 6] = ["lib", "[test", "[bin", "[example", "[bench", "package"];
        const KEYS: [&str; 4] = ["test", "doctest", "harness", "autotests"];
        const CHECKS: [&str; 2] = ["overflow-checks", "debug-assertions"];
        let section = self.section.unwrap_or_default();
        let is_target = self.section.is_none() || TARGETS.iter().any(|t| section.starts_with(t));
        let is_profile = ["profile.test", "profile.dev"].iter().any(|p| section.starts_with(p));
        section.split('.').chain(self.key.split('.')).any(|part| part == "lints")
            || (self.section.is_none() && super::configuration::severity("", self.value).is_some())
            || (is_target && KEYS.contains(&self.key))
            || (is_target && self.key == HEADING && section.starts_with("[test"))
            || (section.starts_with("[test") && self.key == "required-features")
            || (is_profile && CHECKS.contains(&self.key))
            || (section == "workspace"
                && ["exclude", "default-members", "members"].contains(&self.key))
    }

    fn is_of_python(&self) -> bool {
        const TOOLS: [&str; 16] = [
            "hatch.envs",
            "poe.tasks",
            "taskipy.tasks",
            "pdm.scripts",
            "ruff",
            "pytest",
            "coverage",
            "mypy",
            "pylint",
            "black",
            "isort",
            "flake8",
            "bandit",
            "pyright",
            "tox",
            "pydocstyle",
        ];
        const AMBIGUOUS: [&str; 7] =
            ["exclude", "skip", "source", "test", "allow", "projects", "lines"];
        match self.section {
            Some(section) => {
                let section = section.strip_prefix("tool.").unwrap_or(section);
                let section = section.strip_prefix("tool:").unwrap_or(section);
                TOOLS.iter().any(|tool| section.starts_with(tool))
            }
            None if self.key.is_empty() => is_filter(self.value) || is_rule(self.value),
            None => !AMBIGUOUS.contains(&self.key) && super::configuration::is_known(self.key),
        }
    }

    fn is_of_node(&self) -> bool {
        const AMBIGUOUS: [&str; 8] =
            ["exclude", "skip", "source", "test", "allow", "projects", "roots", "branch"];
        super::configuration::is_script(self.key)
            || (!AMBIGUOUS.contains(&self.key) && super::configuration::is_known(self.key))
            || super::configuration::severity("", self.value).is_some()
    }
}

/// `E501`, as linters name their rules.
fn is_rule(element: &str) -> bool {
    let text = element.trim_matches(['"', '\'']);
    let letters = text.chars().take_while(char::is_ascii_uppercase).count();
    (1..=5).contains(&letters)
        && text.len() > letters
        && text.len() <= letters + 5
        && text[letters..].bytes().all(|byte| byte.is_ascii_digit())
}

/// `ignore::DeprecationWarning`, as pytest filters warnings.
fn is_filter(element: &str) -> bool {
    let text = element.trim_matches(['"', '\'']);
    ["ignore:", "default:", "once:", "error:"].iter().any(|start| text.starts_with(start))
        || text == "error"
}

fn is_comment(text: &str) -> bool {
    ["#", "//", ";", "/*", "*/", "<!--"].iter().any(|start| text.starts_with(start))
}

/// Without a comment at the end of the line. A `#` in a string stays.
fn uncommented(value: &str) -> &str {
    let quotes = |text: &str| text.matches(['"', '\'']).count();
    [" #", " //"].iter().fold(value, |value, mark| match value.find(mark) {
        Some(at) if quotes(&value[..at]) % 2 == 0 => value[..at].trim_end(),
        _ => value,
    })
}

/// `[tool.ruff]`, `[[test]]` (as `[test`), `[flake8]`.
fn heading(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('[')?;
    let end = inner.find(']')?;
    let rest = inner[end..].trim_start_matches(']').trim_start();
    let is_end = rest.is_empty() || rest.starts_with('#');
    let name = inner[..end].trim();
    let is_name = |c: char| c.is_alphanumeric() || "._-: [\"'*/@".contains(c);
    let is_list = name.starts_with(['"', '\'']) && !name.contains('.');
    (is_end && !name.is_empty() && !is_list && name.chars().all(is_name)).then_some(name)
}

/// `key = value`, `key: value`, `"key": value`.
fn split(text: &str) -> Option<(&str, &str)> {
    let legal = |c: char| c.is_alphanumeric() || "_.-@/*".contains(c);
    let (key, rest) = match text.chars().next()? {
        quote @ ('"' | '\'') => text[1..].split_once(quote)?,
        _ => text.split_at(text.find(|c| !legal(c)).unwrap_or(text.len())),
    };
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').or_else(|| rest.strip_prefix(':'))?;
    let is_other =
        value.starts_with([':', '=', '>', '~']) || key.is_empty() || key.starts_with('-');
    (!is_other).then(|| (key, value.trim()))
}
