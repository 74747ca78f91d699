//! Tests that are taken away, switched off or emptied: a change must not pass by asking less.

mod words;

use std::collections::{BTreeMap, BTreeSet};

use self::words::{WITHIN_TESTS, balance_of, has_test};
use super::{PathKind, Scene, Sightings, SignalKind};
use crate::{
    patch::ChangeKind,
    policy::diff::{ChangedFile, Line},
};

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    let mut balance = Balance::default();
    for (file, kinds) in scene.files() {
        let is_test = kinds.contains(&PathKind::Test);
        if is_test && file.change.kind == ChangeKind::Deleted {
            seen.note(SignalKind::TestsDeleted, file.path());
        }
        if file.change.from.as_ref().is_some_and(|from| is_collected(from.as_str()))
            && !is_collected(file.path())
        {
            let place = format!("{} has no longer a name that is collected", file.path());
            seen.note(SignalKind::TestsDeleted, place);
        }
        if !is_code(file.name()) {
            continue;
        }
        let here = balance_of(file);
        if here.skips > 0 || (is_test && is_cut_short(file)) || is_commented_out(file, is_test) {
            seen.note(SignalKind::TestsSkipped, file.path());
        }
        if here.hollow > 0 {
            seen.note(SignalKind::AssertionsRemoved, format!("{} cannot fail", file.path()));
        }
        if here.definitions < 0 {
            balance.places.push(file.path().to_owned());
        }
        // Where tests vanish their assertions vanish with them: that is one reason, not two.
        if here.assertions < 0 && here.definitions >= 0 {
            balance.emptied.push(format!("{} fewer in {}", -here.assertions, file.path()));
        }
        balance.definitions += here.definitions;
        modules(file, is_test, &mut balance.modules);
        balance.assertions += here.assertions;
    }
    balance.note(seen);
}

/// Added minus removed over the whole change: a test that only moved to another file is still
/// there.
#[derive(Default)]
struct Balance<'a> {
    /// Modules of tests by name: without its `mod`, a file of Rust is not compiled.
    modules: BTreeMap<&'a str, i64>,
    definitions: i64,
    assertions: i64,
    places: Vec<String>,
    emptied: Vec<String>,
}

impl Balance<'_> {
    fn note(self, seen: &mut Sightings) {
        if self.definitions < 0 {
            let (shown, more) = self.places.split_at(self.places.len().min(3));
            let rest = if more.is_empty() { "" } else { " and others" };
            let places = format!("{}{rest}", shown.join(", "));
            seen.note(SignalKind::TestsDeleted, format!("{} fewer in {places}", -self.definitions));
        }
        if self.modules.values().sum::<i64>() < 0 {
            for (module, _) in self.modules.iter().filter(|(_, count)| **count < 0) {
                seen.note(SignalKind::TestsDeleted, format!("mod {module} is gone"));
            }
        }
        if self.assertions < 0 {
            for place in self.emptied {
                seen.note(SignalKind::AssertionsRemoved, place);
            }
        }
    }
}

/// Counts the modules of tests that come and go.
fn modules<'a>(file: &ChangedFile<'a>, is_test: bool, balance: &mut BTreeMap<&'a str, i64>) {
    let module = |line: &'a str| {
        let text = line.trim_start();
        let name = text.strip_prefix("pub ").unwrap_or(text).strip_prefix("mod ")?;
        let name = name.split([';', ' ', '{']).next().unwrap_or_default();
        (is_test || name.contains("test")).then_some(name)
    };
    if file.name().rsplit('.').next() != Some("rs") {
        return;
    }
    file.added().filter_map(module).for_each(|name| *balance.entry(name).or_default() += 1);
    file.removed().filter_map(module).for_each(|name| *balance.entry(name).or_default() -= 1);
}

/// Whether a runner finds tests in the file by its name alone.
fn is_collected(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    match ending {
        "py" => stem.starts_with("test_") || stem.ends_with("_test"),
        "go" => stem.ends_with("_test"),
        "js" | "jsx" | "ts" | "tsx" | "mjs" | "cjs" => {
            let kind = stem.rsplit_once('.').map_or("", |(_, kind)| kind);
            matches!(kind, "test" | "spec") || path.contains("__tests__/")
        }
        "rs" => path.starts_with("tests/") || path.contains("/tests/") || stem == "tests",
        _ => false,
    }
}

/// Whether a file of tests that was there gets something that ends or skips its run.
fn is_cut_short(file: &ChangedFile<'_>) -> bool {
    let has = |line: &str| WITHIN_TESTS.iter().any(|word| line.contains(word));
    file.change.kind != ChangeKind::Added
        && file.added().filter(|line| has(line)).count()
            > file.removed().filter(|line| has(line)).count()
}

/// Whether a comment, or a string that is none, begins on an added line and swallows what was
/// there: no line of a test changes, and none of them runs.
fn is_commented_out(file: &ChangedFile<'_>, is_test: bool) -> bool {
    let marks: &[(&str, &str)] = match file.name().rsplit_once('.').map(|(_, ending)| ending) {
        Some("py") => &[("\"\"\"", "\"\"\""), ("'''", "'''")],
        Some("rb") => &[("=begin", "=end")],
        _ => &[("/*", "*/")],
    };
    let opens = |line: &str| {
        let text = line.trim();
        marks
            .iter()
            .find(|(open, close)| text.strip_prefix(open).is_some_and(|rest| !rest.contains(close)))
    };
    if file.added().filter_map(opens).count() <= file.removed().filter_map(opens).count() {
        return false;
    }
    let removed: BTreeSet<_> = file.removed().collect();
    let mut close = None;
    let mut swallowed = false;
    for line in &file.lines.all {
        let text = line.text();
        match (close, line) {
            (_, Line::Removed(_)) => {}
            (Some(end), _) if text.contains(end) => close = None,
            (Some(_), Line::Context(_)) => swallowed |= is_test || has_test(text),
            // Where a diff does not look for the shortest difference, all lines go and come back.
            (Some(_), Line::Added(_)) => {
                swallowed |= removed.contains(text) && (is_test || has_test(text));
            }
            (None, Line::Added(_)) => close = opens(text).map(|(_, close)| *close),
            _ => {}
        }
    }
    swallowed
}

/// Whether the file is neither prose nor data.
pub(super) fn is_code(name: &str) -> bool {
    const PROSE: [&str; 10] =
        ["md", "txt", "rst", "adoc", "lock", "json", "yaml", "yml", "toml", "snap"];
    name.rsplit_once('.').is_some_and(|(_, ending)| !PROSE.contains(&ending))
}
