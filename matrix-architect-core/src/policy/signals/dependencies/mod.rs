//! Which dependencies a manifest names, and whether its lockfile goes with it.

mod line;

use std::collections::BTreeSet;

use self::line::{gem, go, json, python, requirement, toml};
use super::{
    Scene, Sightings, SignalKind,
    setting::{self, Setting},
};
use crate::policy::diff::{ChangedFile, Line};

/// A family of package managers: its manifests and its lockfiles.
struct Family {
    manifests: &'static [&'static str],
    lockfiles: &'static [&'static str],
    names: fn(&str) -> Option<&str>,
}

const FAMILIES: [Family; 6] = [
    Family { manifests: &["Cargo.toml"], lockfiles: &["Cargo.lock"], names: toml },
    Family {
        manifests: &["package.json"],
        lockfiles: &[
            "package-lock.json",
            "npm-shrinkwrap.json",
            "yarn.lock",
            "pnpm-lock.yaml",
            "bun.lock",
            "bun.lockb",
        ],
        names: json,
    },
    Family {
        manifests: &["pyproject.toml", "Pipfile", "setup.cfg", "setup.py"],
        lockfiles: &["poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock"],
        names: python,
    },
    Family { manifests: &["go.mod"], lockfiles: &["go.sum"], names: go },
    Family { manifests: &["Gemfile"], lockfiles: &["Gemfile.lock"], names: gem },
    Family { manifests: &["composer.json"], lockfiles: &["composer.lock"], names: json },
];

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for family in &FAMILIES {
        let changed = |names: &[&str]| -> Vec<_> {
            scene.reading.files.iter().filter(|file| names.contains(&file.name())).collect()
        };
        let (manifests, lockfiles) = (changed(family.manifests), changed(family.lockfiles));
        let mut is_moved = false;
        for manifest in &manifests {
            let (added, removed) = difference(manifest, family.names);
            is_moved |= !added.is_empty() || !removed.is_empty();
            let (before, after) = (names(&removed), names(&added));
            for name in after.difference(&before) {
                seen.note(SignalKind::NewDependency, format!("{name} in {}", manifest.path()));
            }
        }
        if manifests.is_empty() {
            for lockfile in &lockfiles {
                seen.note(SignalKind::LockfileWithoutManifest, lockfile.path());
            }
        }
        if is_moved && lockfiles.is_empty() && !family.lockfiles.is_empty() {
            let path = manifests.first().map_or("", |manifest| manifest.path());
            seen.note(SignalKind::ManifestWithoutLockfile, path);
        }
    }
    requirements(scene, seen);
}

/// `requirements.txt` is manifest and lockfile in one.
fn requirements(scene: &Scene<'_>, seen: &mut Sightings) {
    for file in scene.reading.files.iter().filter(|file| is_requirements(file)) {
        let (added, removed) = difference(file, requirement);
        for name in names(&added).difference(&names(&removed)) {
            seen.note(SignalKind::NewDependency, format!("{name} in {}", file.path()));
        }
    }
}

/// `requirements-dev.txt`, `requirements/base.txt`, `constraints.txt`
pub(super) fn is_requirements(file: &ChangedFile<'_>) -> bool {
    let name = file.name().to_ascii_lowercase();
    let stem = name.strip_suffix(".txt").or_else(|| name.strip_suffix(".in"));
    let is_among = file.change.path.components().any(|part| part == "requirements");
    stem.is_some_and(|stem| is_among || stem.contains("requirements") || stem == "constraints")
}

/// The lines that name dependencies, added and removed.
fn difference<'a>(
    file: &ChangedFile<'a>,
    name: fn(&str) -> Option<&str>,
) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut added, mut removed) = (Vec::new(), Vec::new());
    for (line, setting) in setting::changed(file) {
        if setting.is_some_and(|setting| is_other_list(setting, line.text())) {
            continue;
        }
        let side = if matches!(line, Line::Added(_)) { &mut added } else { &mut removed };
        match setting.and_then(inner) {
            Some(Inner::Table(entries)) => side.extend(entries.split(',').filter_map(toml)),
            Some(Inner::List(elements)) => side.extend(elements.split(',').filter_map(element)),
            None => side.extend(name(line.text())),
        }
    }
    (added, removed)
}

/// Dependencies that stand in one line with what they are of.
enum Inner<'a> {
    /// `dependencies = { serde = "1" }`
    Table(&'a str),
    /// `dependencies = ["requests>=2", "rich"]`, or a bare line below `install_requires =`.
    List(&'a str),
}

fn inner(setting: Setting<'_>) -> Option<Inner<'_>> {
    let key = setting.key.to_ascii_lowercase();
    let is_of_dependencies = key.ends_with("dependencies") || key.ends_with("install_requires");
    let is_in_extras = |section: &str| section.ends_with("extras_require");
    if let Some(entries) = setting.value.strip_prefix('{') {
        return is_of_dependencies.then(|| Inner::Table(entries.trim_end_matches('}')));
    }
    let is_list = setting.value.starts_with('[') && setting.value.contains(['"', '\'']);
    let is_bare = key == "install_requires" || setting.section.is_some_and(is_in_extras);
    let is_extra = setting.section.is_some_and(|section| {
        section.contains("optional-dependencies") || section == "dependency-groups"
    });
    ((is_list && (is_of_dependencies || is_extra)) || is_bare).then_some(Inner::List(setting.value))
}

/// An element of a list of requirements.
fn element(text: &str) -> Option<&str> {
    requirement(text.trim_matches(|c: char| "[]()\"' ".contains(c)))
}

/// Whether it is an element of a list in sight that names no dependencies, such as a linter's rules.
fn is_other_list(setting: Setting<'_>, line: &str) -> bool {
    let element = line.trim_start().strip_prefix(['"', '\'']);
    let is_element = element.is_some_and(|text| !text.starts_with(setting.key));
    // Extras have names of their own, so an unknown list counts unless its section is in sight.
    let is_in_sight = setting.section.is_some()
        || ["keywords", "classifiers"].contains(&setting.key)
        || super::configuration::is_known(setting.key);
    let of_dependencies = |text: &str| text.contains("depend") || text.contains("require");
    is_element
        && is_in_sight
        && !of_dependencies(setting.key)
        && !setting.section.is_some_and(of_dependencies)
}

fn names(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|name| name.to_ascii_lowercase()).collect()
}
