//! How much is changed: large changes are read less well.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Scene, Sightings, SignalKind};

/// From how many on a change counts as large, in rising steps. Each step reached counts the
/// signal's points once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SizeSteps {
    /// Lines added and removed. Default: 200, 500, 1000.
    pub lines: Vec<u64>,
    /// Files. Default: 10, 30, 100.
    pub files: Vec<u64>,
    /// Folders. Default: 5, 10, 20.
    pub folders: Vec<u64>,
}

impl Default for SizeSteps {
    fn default() -> Self {
        Self { lines: vec![200, 500, 1000], files: vec![10, 30, 100], folders: vec![5, 10, 20] }
    }
}

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    let patch = scene.input.patch;
    let folder = |path: &'_ str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let folders: BTreeSet<_> = patch.files.iter().map(|file| folder(file.path.as_str())).collect();
    let sizes = &scene.rules.size;
    let counts = [
        (SignalKind::ManyLines, patch.changed_lines(), &sizes.lines, "lines"),
        (SignalKind::ManyFiles, patch.files.len() as u64, &sizes.files, "files"),
        (SignalKind::ManyFolders, folders.len() as u64, &sizes.folders, "folders"),
    ];
    for (kind, count, limits, unit) in counts {
        let reached = limits.iter().filter(|limit| count >= **limit).count();
        if let Ok(steps @ 1..) = u32::try_from(reached) {
            seen.note_steps(kind, steps, format!("{count} {unit}"));
        }
    }
}
