//! Tool configuration: formatters, linters, test runners and coverage read from the changed tree
//! by what they judge it, so a change can ask less of itself there.
//!
//! Only the hunks are known, not the whole file: a setting whose section is out of sight is judged
//! by its key alone. What cannot be told to loosen anything is noted as touched, no less.

mod commands;
mod keys;
mod leaning;

use std::collections::{BTreeMap, BTreeSet};

pub(super) use commands::is_script;
pub(super) use leaning::{is_known, severity};

use super::{
    PathKind, Scene, Sightings, SignalKind,
    setting::{self, Setting},
};
use crate::{
    patch::ChangeKind,
    policy::diff::{ChangedFile, Line},
};

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for (file, kinds) in scene.files() {
        let reach = Reach::of(file, kinds);
        let mut loosened = whole(file, reach);
        if reach != Reach::None {
            let change = Change::of(file, reach);
            loosened.extend(change.loosened());
            let is_noted_elsewhere = kinds.iter().any(|kind| NOTED.contains(kind));
            if (change.is_touched || file.change.kind != ChangeKind::Modified && reach.is_whole())
                && !is_noted_elsewhere
            {
                seen.note(SignalKind::TouchesToolConfiguration, file.path());
            }
        }
        loosened.extend(commands::loosened(file, kinds));
        for what in loosened {
            seen.note(SignalKind::ChecksLoosened, format!("{what} in {}", file.path()));
        }
    }
    commands::look(scene, seen);
}

/// Kinds of path by which the file counts already.
const NOTED: [PathKind; 3] = [
    PathKind::Signal(SignalKind::ExecutableHook),
    PathKind::Signal(SignalKind::BuildScript),
    PathKind::Signal(SignalKind::TouchesJudge),
];

/// How much of a file configures tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    None,
    /// A manifest: some sections do.
    Part,
    /// All of it.
    Whole,
    /// Every line names something that is not looked at.
    Ignores,
}

impl Reach {
    fn of(file: &ChangedFile<'_>, kinds: &[PathKind]) -> Self {
        const MANIFESTS: [&str; 4] = ["Cargo.toml", "pyproject.toml", "setup.cfg", "package.json"];
        let before = file.change.from.as_ref().map(crate::path::RelPath::file_name);
        let is_any = |test: &dyn Fn(&str) -> bool| test(file.name()) || before.is_some_and(test);
        if is_any(&|name| MANIFESTS.contains(&name)) {
            Self::Part
        } else if !kinds.contains(&PathKind::Tools) {
            Self::None
        } else if is_any(&|name| name.ends_with("ignore")) {
            Self::Ignores
        } else {
            Self::Whole
        }
    }

    const fn is_whole(self) -> bool {
        matches!(self, Self::Whole | Self::Ignores)
    }
}

/// What becomes of the file as such.
fn whole(file: &ChangedFile<'_>, reach: Reach) -> Vec<String> {
    /// Names that take the place of what other files say, even when they are empty.
    const SHADOWS: [&str; 9] = [
        "pytest.ini",
        ".pytest.ini",
        "pytest.toml",
        ".pytest.toml",
        "ruff.toml",
        ".ruff.toml",
        ".coveragerc",
        "mypy.ini",
        ".mypy.ini",
    ];
    let change = file.change;
    let said = match change.kind {
        _ if !reach.is_whole() => None,
        ChangeKind::Deleted if reach == Reach::Whole => Some("the whole configuration is gone"),
        ChangeKind::Renamed => Some("the configuration no longer stands where it stood"),
        ChangeKind::Added if SHADOWS.contains(&file.name()) => {
            Some("a file that takes the place of other settings")
        }
        ChangeKind::Added | ChangeKind::Modified if change.binary => {
            Some("settings that cannot be read")
        }
        ChangeKind::Added | ChangeKind::Modified | ChangeKind::Deleted => None,
    };
    said.map(str::to_owned).into_iter().collect()
}

/// A file's settings that went and came; what only moved is neither.
struct Change<'a> {
    reach: Reach,
    /// The file's name: it decides what some words mean.
    name: &'a str,
    is_touched: bool,
    removed: Vec<Setting<'a>>,
    added: Vec<Setting<'a>>,
}

impl<'a> Change<'a> {
    fn of(file: &ChangedFile<'a>, reach: Reach) -> Self {
        let (mut removed, mut added) = (Vec::new(), Vec::new());
        for (line, setting) in setting::changed(file) {
            let side = if matches!(line, Line::Added(_)) { &mut added } else { &mut removed };
            side.extend(setting);
        }
        if reach == Reach::Ignores {
            removed.iter_mut().chain(&mut added).for_each(|setting| setting.key = "ignore");
        }
        if reach == Reach::Part {
            removed.retain(|setting| setting.is_of_tools(file.name()));
            added.retain(|setting| setting.is_of_tools(file.name()));
        }
        without_common(&mut removed, &mut added);
        let is_touched = !removed.is_empty() || !added.is_empty();
        Self { reach, name: file.name(), is_touched, removed, added }
    }

    /// What is asked less than before, in words.
    fn loosened(&self) -> Vec<String> {
        let (before, after) = (by_key(&self.removed), by_key(&self.added));
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
        let none = Vec::new();
        let mut said = Vec::new();
        for key in keys {
            let before = before.get(&key).unwrap_or(&none);
            let after = after.get(&key).unwrap_or(&none);
            said.extend(leaning::loosened(self.name, key, before, after));
        }
        // A deleted file is said once, not setting by setting.
        if self.reach == Reach::Whole && self.added.is_empty() && said.len() > 3 {
            said.truncate(3);
        }
        said
    }
}

type Key<'a> = (Option<&'a str>, &'a str);

/// Values by section and key. Where the section is out of sight on one side only, it is on both.
fn by_key<'a>(settings: &[Setting<'a>]) -> BTreeMap<Key<'a>, Vec<&'a str>> {
    let mut all = BTreeMap::<Key<'a>, Vec<&'a str>>::new();
    for setting in settings {
        all.entry((setting.section, setting.key)).or_default().push(setting.value);
    }
    all
}

/// Takes away what both sides have, as often as both have it.
fn without_common<'a>(removed: &mut Vec<Setting<'a>>, added: &mut Vec<Setting<'a>>) {
    let mut left = BTreeMap::<Setting<'a>, usize>::new();
    for setting in &*removed {
        *left.entry(*setting).or_default() += 1;
    }
    let mut common = BTreeMap::<Setting<'a>, usize>::new();
    added.retain(|setting| match left.get_mut(setting) {
        Some(count) if *count > 0 => {
            *count -= 1;
            *common.entry(*setting).or_default() += 1;
            false
        }
        _ => true,
    });
    removed.retain(|setting| match common.get_mut(setting) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
}
