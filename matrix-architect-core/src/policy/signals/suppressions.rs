//! Words in the code that silence a tool at one place.

use std::{collections::BTreeMap, sync::LazyLock};

use aho_corasick::{AhoCorasick, MatchKind};

use super::{Scene, Sightings, SignalKind};

const WORDS: [&str; 53] = [
    "#[allow(",
    "#![allow(",
    "#[expect(",
    "#![expect(",
    ", allow(",
    "#[rustfmt::skip]",
    "#![rustfmt::skip]",
    "coverage(off)",
    "# noqa",
    "#noqa",
    "# ruff: noqa",
    "# flake8: noqa",
    "# type: ignore",
    "#type: ignore",
    "# type:ignore",
    "# mypy: ignore-errors",
    "# pyright: ignore",
    "# pyre-ignore",
    "# pylint: disable",
    "# pylint:disable",
    "# pragma: no cover",
    "# pragma: allowlist secret",
    "# fmt: off",
    "# fmt: skip",
    "# isort: skip",
    "# nosec",
    "#nosec",
    "# shellcheck disable",
    "eslint-disable",
    "tslint:disable",
    "biome-ignore",
    "deno-lint-ignore",
    "@ts-ignore",
    "@ts-expect-error",
    "@ts-nocheck",
    "istanbul ignore",
    "c8 ignore",
    "v8 ignore",
    "prettier-ignore",
    "//nolint",
    "// nolint",
    "//go:nocheck",
    "NOLINT(",
    "NOLINTNEXTLINE",
    "NOSONAR",
    "@SuppressWarnings",
    "@Suppress(",
    "rubocop:disable",
    "@phpstan-ignore",
    "phpcs:ignore",
    "gitleaks:allow",
    "nosemgrep",
    "noinspection ",
];

/// All words in one automaton, so that each line is read once.
static FINDER: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let mut builder = AhoCorasick::builder();
    builder.match_kind(MatchKind::LeftmostLongest).ascii_case_insensitive(true);
    builder.build(WORDS).ok()
});

/// Counted over the whole change: what moves with its code silences nothing more. What counts is
/// all from the word on, for `allow(dead_code)` is not `allow(unsafe_code)`.
pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    let mut places = Vec::new();
    for file in scene.reading.files.iter().filter(|file| super::weakening::is_code(file.name())) {
        for silenced in file.removed().filter_map(from_the_word_on) {
            *balance.entry(silenced).or_default() -= 1;
        }
        for line in file.added() {
            let Some(silenced) = from_the_word_on(line) else { continue };
            *balance.entry(silenced).or_default() += 1;
            places.push((silenced, line, file.path()));
        }
    }
    places.retain(|(silenced, ..)| balance.get(silenced).is_some_and(|count| *count > 0));
    for (_, line, path) in places {
        let shown: String = line.trim().chars().take(60).collect();
        seen.note(SignalKind::ChecksSuppressed, format!("{shown} in {path}"));
    }
}

fn from_the_word_on(line: &str) -> Option<&str> {
    let found = FINDER.as_ref()?.find(line)?;
    line.get(found.start()..).map(str::trim_end)
}
