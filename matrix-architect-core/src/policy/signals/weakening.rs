//! Tests that are taken away, switched off or emptied: a change must not pass by asking less.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

use aho_corasick::{AhoCorasick, MatchKind};

use super::{PathKind, Scene, Sightings, SignalKind};
use crate::{
    patch::ChangeKind,
    policy::diff::{ChangedFile, Line},
};

const DEFINITIONS: [&str; 11] = [
    "#[test]",
    "::test]",
    "#[rstest",
    "def test_",
    "it(",
    "test(",
    "func Test",
    "@Test",
    "test_that(",
    "it \"",
    "#[test_case",
];
const SKIPS: [&str; 30] = [
    "#[ignore",
    "pytest.mark.skip",
    "pytest.mark.xfail",
    "pytest.skip(",
    "unittest.skip",
    "self.skipTest(",
    "it.skip(",
    "test.skip(",
    "describe.skip(",
    "xit(",
    "xdescribe(",
    "xtest(",
    "it.todo(",
    "test.todo(",
    "t.Skip(",
    "@Disabled",
    "@Ignore",
    "#[cfg(any())]",
    "#![cfg(any())]",
    ", ignore)]",
    ", ignore =",
    "it.only(",
    "test.only(",
    "describe.only(",
    "expectedFailure",
    "pytest.importorskip",
    "t.SkipNow(",
    "t.Skipf(",
    "GTEST_SKIP",
    "__test__ = False",
];

/// What ends or skips a run of tests from within, and is ordinary elsewhere.
const WITHIN_TESTS: [&str; 14] = [
    "process::exit(0",
    "process.exit(0",
    "os._exit(0",
    "sys.exit(0",
    "os.Exit(0",
    "#![cfg(",
    "if False:",
    "if 0:",
    "if false {",
    "if (false)",
    "#if 0",
    "fdescribe(",
    "//go:build ",
    "raise SkipTest",
];
const ASSERTIONS: [&str; 12] = [
    "assert",
    "expect(",
    ".should",
    "require.",
    "t.Error",
    "t.Fatal",
    "#[should_panic",
    "pytest.raises",
    "insta::",
    "prop_assert",
    "EXPECT_",
    "XCTAssert",
];
const HOLLOW: [&str; 8] = [
    "assert!(true",
    "assert True",
    "assert_eq!(true, true",
    "assert_eq!(1, 1",
    "expect(true).",
    "assertTrue(True",
    "assertTrue(true",
    "assert 1 == 1",
];

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

fn has_test(line: &str) -> bool {
    let mut count = Count::default();
    tally(line, 1, &mut count);
    count.definitions > 0 || count.assertions > 0
}

/// Whether the line does nothing. A test that is commented out is still there to readers of words.
fn is_comment(line: &str) -> bool {
    let text = line.trim_start();
    let is_hash = text.starts_with('#') && !text.starts_with("#[") && !text.starts_with("#![");
    is_hash || ["//", "/*", "* ", "--", "<!--"].iter().any(|start| text.starts_with(start))
}

/// Added minus removed in one file.
#[derive(Default)]
struct Count {
    definitions: i64,
    skips: i64,
    assertions: i64,
    hollow: i64,
}

fn balance_of(file: &ChangedFile<'_>) -> Count {
    let mut count = Count::default();
    file.added().for_each(|line| tally(line, 1, &mut count));
    file.removed().for_each(|line| tally(line, -1, &mut count));
    count
}

/// All words in one automaton, so that each line is read once. The longest word wins, so that
/// `test.skip(` is not also counted as `test(`.
static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = [HOLLOW.as_slice(), &SKIPS, &DEFINITIONS, &ASSERTIONS].concat();
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words).ok()
});

/// Counts each group at most once a line.
fn tally(line: &str, sign: i64, count: &mut Count) {
    const ENDS: [usize; 3] =
        [HOLLOW.len(), HOLLOW.len() + SKIPS.len(), HOLLOW.len() + SKIPS.len() + DEFINITIONS.len()];
    let Some(words) = WORDS.as_ref().filter(|_| !is_comment(line)) else { return };
    let mut groups = [false; 4];
    for found in words.find_iter(line).filter(|found| is_word(line, found.start())) {
        let index = found.pattern().as_usize();
        groups[ENDS.iter().filter(|end| index >= **end).count()] = true;
    }
    let add = |flag: bool, total: &mut i64| *total += i64::from(flag) * sign;
    let [hollow, skips, definitions, assertions] = groups;
    add(hollow, &mut count.hollow);
    add(skips, &mut count.skips);
    add(definitions, &mut count.definitions);
    add(assertions || hollow, &mut count.assertions);
}

/// Whether a word begins there: `emit(` is not `it(`, and neither is "do it (later)" in a comment.
fn is_word(line: &str, start: usize) -> bool {
    let (before, word) = line.split_at(start);
    if ["it(", "it \"", "test("].iter().any(|call| word.starts_with(call)) {
        return before.trim().is_empty();
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    !word.starts_with(char::is_alphanumeric) || !before.ends_with(is_part)
}

/// Whether the file is neither prose nor data.
pub(super) fn is_code(name: &str) -> bool {
    const PROSE: [&str; 10] =
        ["md", "txt", "rst", "adoc", "lock", "json", "yaml", "yml", "toml", "snap"];
    name.rsplit_once('.').is_some_and(|(_, ending)| !PROSE.contains(&ending))
}
