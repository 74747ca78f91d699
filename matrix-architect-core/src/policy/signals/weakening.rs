//! Tests that are taken away, switched off or emptied: a change must not pass by asking less.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use super::{PathKind, Scene, Sightings, SignalKind};
use crate::{patch::ChangeKind, policy::diff::ChangedFile};

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
const SKIPS: [&str; 18] = [
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
        if !is_code(file.name()) {
            continue;
        }
        let here = balance_of(file);
        if here.skips > 0 {
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
        balance.assertions += here.assertions;
    }
    balance.note(seen);
}

/// Added minus removed over the whole change: a test that only moved to another file is still
/// there.
#[derive(Default)]
struct Balance {
    definitions: i64,
    assertions: i64,
    places: Vec<String>,
    emptied: Vec<String>,
}

impl Balance {
    fn note(self, seen: &mut Sightings) {
        if self.definitions < 0 {
            let places = self.places.join(", ");
            seen.note(SignalKind::TestsDeleted, format!("{} fewer in {places}", -self.definitions));
        }
        if self.assertions < 0 {
            for place in self.emptied {
                seen.note(SignalKind::AssertionsRemoved, place);
            }
        }
    }
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
    let Some(words) = WORDS.as_ref() else { return };
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
