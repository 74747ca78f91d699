//! The words by which tests, skips and assertions are known, and how often they come and go.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::policy::diff::ChangedFile;

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
pub(super) const WITHIN_TESTS: [&str; 14] = [
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

/// Added minus removed in one file.
#[derive(Default)]
pub(super) struct Count {
    pub(super) definitions: i64,
    pub(super) skips: i64,
    pub(super) assertions: i64,
    pub(super) hollow: i64,
}

pub(super) fn balance_of(file: &ChangedFile<'_>) -> Count {
    let mut count = Count::default();
    file.added().for_each(|line| tally(line, 1, &mut count));
    file.removed().for_each(|line| tally(line, -1, &mut count));
    count
}

pub(super) fn has_test(line: &str) -> bool {
    let mut count = Count::default();
    tally(line, 1, &mut count);
    count.definitions > 0 || count.assertions > 0
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

/// Whether the line does nothing. A test that is commented out is still there to readers of words.
fn is_comment(line: &str) -> bool {
    let text = line.trim_start();
    let is_hash = text.starts_with('#') && !text.starts_with("#[") && !text.starts_with("#![");
    is_hash || ["//", "/*", "* ", "--", "<!--"].iter().any(|start| text.starts_with(start))
}
