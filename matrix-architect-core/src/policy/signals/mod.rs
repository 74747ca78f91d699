//! What makes a change risky. Each file looks for one group of signals; none of them decides.

mod checks;
mod configuration;
mod deception;
mod dependencies;
mod files;
mod globs;
mod interface;
mod kind;
mod lockfile;
mod migrations;
mod origin;
mod paths;
mod scripts;
mod setting;
mod size;
mod sources;
mod suppressions;
mod weakening;

use std::collections::BTreeMap;

pub use globs::Globs;
pub use kind::{SignalKind, Weight};
pub(super) use paths::{PathKind, PathSet};
pub use size::SizeSteps;

use super::{PolicyInput, diff::Reading, rules::Rules};

/// What the groups look at.
pub(super) struct Scene<'a> {
    pub(super) input: &'a PolicyInput<'a>,
    pub(super) reading: Reading<'a>,
    pub(super) rules: &'a Rules,
    /// What kinds of path each file of the reading has, before and after.
    pub(super) kinds: Vec<Vec<PathKind>>,
}

impl<'a> Scene<'a> {
    pub(super) fn new(input: &'a PolicyInput<'a>, rules: &'a Rules, paths: &PathSet) -> Self {
        let reading = Reading::of(input.patch);
        let kinds = reading.files.iter().map(|file| paths.kinds(file.change)).collect();
        Self { input, reading, rules, kinds }
    }

    /// The files with what kinds of path they have.
    fn files(&self) -> impl Iterator<Item = (&super::diff::ChangedFile<'a>, &[PathKind])> {
        self.reading.files.iter().zip(self.kinds.iter().map(Vec::as_slice))
    }
}

/// What was seen, by signal.
#[derive(Debug, Default)]
pub(super) struct Sightings(BTreeMap<SignalKind, Sighting>);

/// What was seen of one signal.
#[derive(Debug, Default)]
pub(super) struct Sighting {
    /// How often its points count: 1 but for signals with steps, 0 if they are waived.
    pub(super) steps: u32,
    /// Where it was seen.
    pub(super) places: Vec<String>,
}

impl Sightings {
    /// Notes a signal at a place. A signal counts once however many places it is seen at.
    fn note(&mut self, kind: SignalKind, place: impl Into<String>) {
        self.note_steps(kind, 1, place);
    }

    fn note_steps(&mut self, kind: SignalKind, steps: u32, place: impl Into<String>) {
        let sighting = self.0.entry(kind).or_default();
        sighting.steps = sighting.steps.max(steps);
        sighting.places.push(place.into());
    }

    pub(super) fn into_iter(self) -> impl Iterator<Item = (SignalKind, Sighting)> {
        self.0.into_iter()
    }
}

impl Sighting {
    /// The first places, and how many more there are.
    pub(super) fn detail(&self) -> String {
        const SHOWN: usize = 3;
        let shown = self.places.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>();
        let more = self.places.len().saturating_sub(SHOWN);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{rest}", shown.join(", "))
    }
}

/// Looks for all signals.
pub(super) fn look(scene: &Scene<'_>) -> Sightings {
    let mut seen = Sightings::default();
    size::look(scene, &mut seen);
    paths::look(scene, &mut seen);
    files::look(scene, &mut seen);
    deception::look(scene, &mut seen);
    dependencies::look(scene, &mut seen);
    sources::look(scene, &mut seen);
    lockfile::look(scene, &mut seen);
    scripts::look(scene, &mut seen);
    migrations::look(scene, &mut seen);
    weakening::look(scene, &mut seen);
    configuration::look(scene, &mut seen);
    suppressions::look(scene, &mut seen);
    interface::look(scene, &mut seen);
    checks::look(scene, &mut seen);
    origin::look(scene, &mut seen);
    seen
}
