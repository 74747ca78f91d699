//! What kind of thing is left behind: content nobody can read, links, and programs.

use super::{Scene, Sightings, SignalKind};
use crate::patch::ChangeKind;

const SYMLINK: &str = "120000";

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    for file in &scene.reading.files {
        let change = file.change;
        if change.binary && change.kind != ChangeKind::Deleted {
            seen.note(SignalKind::BinaryFile, file.path());
        }
        if file.lines.mode == Some(SYMLINK) {
            seen.note(SignalKind::Symlink, file.path());
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
