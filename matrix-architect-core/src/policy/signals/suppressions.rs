//! Words in the code that silence a tool at one place.

use std::collections::BTreeMap;

use super::{Scene, Sightings, SignalKind};

const WORDS: [&str; 22] = [
    "#[allow(",
    "#![allow(",
    "#[rustfmt::skip]",
    "#![rustfmt::skip]",
    "coverage(off)",
    "# noqa",
    "#noqa",
    "# ruff: noqa",
    "# type: ignore",
    "# mypy: ignore-errors",
    "# pyright: ignore",
    "# pylint: disable",
    "# pragma: no cover",
    "# fmt: off",
    "# nosec",
    "eslint-disable",
    "@ts-ignore",
    "@ts-nocheck",
    "istanbul ignore",
    "prettier-ignore",
    "//nolint",
    "@SuppressWarnings",
];

/// Counted over the whole change: what moves with its code silences nothing more.
pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    let mut balance: BTreeMap<&str, i64> = BTreeMap::new();
    let mut places = Vec::new();
    for file in scene.reading.files.iter().filter(|file| super::weakening::is_code(file.name())) {
        for line in file.removed() {
            WORDS.iter().filter(|word| line.contains(**word)).for_each(|word| {
                *balance.entry(word).or_default() -= 1;
            });
        }
        for line in file.added() {
            for word in WORDS.iter().filter(|word| line.contains(**word)) {
                *balance.entry(word).or_default() += 1;
                places.push((*word, line, file.path()));
            }
        }
    }
    places.retain(|(word, ..)| balance.get(word).is_some_and(|count| *count > 0));
    for (_, line, path) in places {
        let shown: String = line.trim().chars().take(60).collect();
        seen.note(SignalKind::ChecksSuppressed, format!("{shown} in {path}"));
    }
}
