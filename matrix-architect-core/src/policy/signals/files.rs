//! What kind of thing is left behind: content nobody can read, links, and programs.

use super::{PathKind, Scene, Sightings, SignalKind};
use crate::{patch::ChangeKind, policy::diff::ChangedFile};

/// Modes as Git writes them.
const SYMLINK: &str = "120000";
const SUBMODULE: &str = "160000";

/// Endings of files that tools read as text.
const TEXT_ENDINGS: &str = "bash bat c cc cfg cjs cmake conf cpp cs dart erl ex exs go gradle graphql h \
    hcl hpp hs ini java js json jsx kt kts lock lua mjs mk ml php pl properties \
    proto ps1 py pyi r rb rs scala service sh sql sum svelte swift tf tfvars \
    toml ts tsx vue xml yaml yml zig";

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for (file, kinds) in scene.files() {
        let change = file.change;
        if change.binary && change.kind != ChangeKind::Deleted {
            seen.note(SignalKind::BinaryFile, file.path());
            // One byte that is no UTF-8 hides a whole file, and most tools do not mind it.
            if is_meant_as_text(file, kinds) {
                seen.note(SignalKind::UnreadableInput, format!("{} is no text", file.path()));
            }
        }
        match file.lines.mode {
            Some(SYMLINK) => seen.note(SignalKind::Symlink, file.path()),
            Some(SUBMODULE) => {
                let place = format!("the other repository behind {}", file.path());
                seen.note(SignalKind::UnreadableInput, place);
            }
            _ => {}
        }
        let is_new = change.kind == ChangeKind::Added || change.mode_changed;
        if change.executable && is_new {
            seen.note(SignalKind::MadeExecutable, file.path());
        }
    }
    for path in &scene.reading.unread {
        seen.note(SignalKind::UnreadableInput, path.as_str());
    }
}

/// Whether tools read the file as text, going by its name.
fn is_meant_as_text(file: &ChangedFile<'_>, kinds: &[PathKind]) -> bool {
    let name = file.name().to_ascii_lowercase();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    match ending {
        Some(ending) => {
            TEXT_ENDINGS.split(' ').any(|text| text == ending)
                || super::dependencies::is_requirements(file)
        }
        // `Makefile`, `Dockerfile`, `Jenkinsfile`.
        None => kinds.iter().any(|kind| matches!(kind, PathKind::Signal(_) | PathKind::Tools)),
    }
}
