//! What is taken away from a public interface, as far as lines show it.

use std::collections::BTreeSet;

use super::{PathKind, Scene, Sightings, SignalKind};
use crate::policy::diff::ChangedFile;

pub(super) fn look(scene: &Scene<'_>, seen: &mut Sightings) {
    let allowed = scene.input.constraints.allow_breaking_changes;
    let mut kept = BTreeSet::new();
    for file in &scene.reading.files {
        kept.extend(file.after().filter_map(|line| item(file.name(), line)));
    }
    for (file, kinds) in scene.files() {
        if kinds.contains(&PathKind::Test) || is_aside(file) {
            continue;
        }
        let removed = file.removed().filter_map(|line| item(file.name(), line));
        for gone in removed.filter(|item| !kept.contains(item)) {
            let place = format!("{gone} in {}", file.path());
            if allowed {
                seen.note_steps(SignalKind::BreakingChange, 0, format!("{place} (allowed)"));
            } else {
                seen.note(SignalKind::BreakingChange, place);
            }
        }
    }
}

/// Whether nobody else builds on the file.
fn is_aside(file: &ChangedFile<'_>) -> bool {
    const FOLDERS: [&str; 6] = ["examples", "benches", "bench", "benchmarks", "scripts", "docs"];
    file.change.path.components().any(|part| FOLDERS.contains(&part))
        || matches!(file.name(), "build.rs" | "setup.py" | "conftest.py")
}

/// The public item a line defines.
fn item<'a>(file: &str, line: &'a str) -> Option<&'a str> {
    match file.rsplit_once('.')?.1 {
        "rs" => rust(line),
        "py" => python(line),
        _ => None,
    }
}

/// `pub async fn name`, `pub struct Name`, and so on; nothing that only the crate sees.
fn rust(line: &str) -> Option<&str> {
    let mut rest = line.trim_start().strip_prefix("pub ")?;
    loop {
        let (word, after) = rest.split_once(' ')?;
        match word {
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "mod" => return name(after),
            "static" => return name(after.strip_prefix("mut ").unwrap_or(after)),
            "const" if !is_function(after) => return name(after),
            "const" | "async" | "unsafe" | "extern" | "\"C\"" => rest = after,
            _ => return None,
        }
    }
}

fn is_function(text: &str) -> bool {
    ["fn ", "async ", "unsafe ", "extern "].iter().any(|word| text.starts_with(word))
}

/// A definition at the top level whose name does not begin with an underscore.
fn python(line: &str) -> Option<&str> {
    let rest = ["def ", "async def ", "class "].iter().find_map(|word| line.strip_prefix(word))?;
    name(rest).filter(|name| !name.starts_with('_') && !name.starts_with("test_"))
}

fn name(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    Some(&text[..end]).filter(|name| !name.is_empty())
}
