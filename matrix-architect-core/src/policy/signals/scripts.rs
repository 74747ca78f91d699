//! What newly runs when the project is installed or built.

use super::{Scene, Sightings, SignalKind, setting};
use crate::{
    patch::ChangeKind,
    policy::diff::{ChangedFile, Line},
};

/// Scripts that npm and its kin run by themselves.
const LIFECYCLE: [&str; 10] = [
    "preinstall",
    "install",
    "postinstall",
    "preprepare",
    "prepare",
    "postprepare",
    "prepublish",
    "prepublishOnly",
    "prepack",
    "postpack",
];

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for file in &scene.reading.files {
        let is_new = matches!(file.change.kind, ChangeKind::Added | ChangeKind::Renamed);
        let mut added = file.added();
        let found = match file.name() {
            "setup.py" | "build.rs" if is_new => Some("a new build program".to_owned()),
            "setup.py" => added.find(|line| line.contains("cmdclass")).map(said),
            "Cargo.toml" => added.find(|line| is_key(line, "build")).map(said),
            "pyproject.toml" => added
                .find(|line| ["build-backend", "backend-path"].iter().any(|key| is_key(line, key)))
                .map(said),
            "package.json" => lifecycle(file).map(said),
            "binding.gyp" if is_new => Some("a new native module".to_owned()),
            _ => None,
        };
        if let Some(found) = found {
            seen.note(SignalKind::InstallScript, format!("{found} in {}", file.path()));
        }
    }
}

/// What npm and its kin run by themselves, wherever in a line it stands.
fn lifecycle<'a>(file: &ChangedFile<'a>) -> Option<&'a str> {
    let changed = setting::changed(file);
    let added = changed.into_iter().filter(|(line, _)| matches!(line, Line::Added(_)));
    added.map(|(line, _)| line.text()).find(|line| is_lifecycle(line))
}

fn said(line: &str) -> String {
    line.trim().chars().take(80).collect()
}

fn is_key(line: &str, key: &str) -> bool {
    let rest = line.trim_start().strip_prefix(key);
    rest.is_some_and(|rest| rest.trim_start().starts_with('='))
}

fn is_lifecycle(line: &str) -> bool {
    let key = line.trim_start().strip_prefix('"').and_then(|line| line.split_once("\":"));
    // A number or `^` makes it a dependency of that name, and there is one called `install`.
    key.is_some_and(|(key, value)| {
        let command = value.trim_start().trim_start_matches('"');
        LIFECYCLE.contains(&key)
            && !command.starts_with(|c: char| c.is_ascii_digit() || "^~{".contains(c))
    })
}
