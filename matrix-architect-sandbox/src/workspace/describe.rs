//! Says what a change did: the patch by digests, and a unified diff for people and policies.

use std::fmt::Write as _;

use diffy::{DiffOptions, Line};
use matrix_architect_core::{
    id::Digest,
    patch::{ChangeKind, FileChange, Patch},
};

use super::draft::{Content, Difference};

/// Lines on both sides beyond which the shortest difference is not looked for: the search may take
/// time in the square of it, and whoever hands in a change must not choose our time.
const SEARCH_CAP: usize = 20_000;

/// The patch of some differences in path order.
pub(super) fn describe(differences: &[Difference]) -> Patch {
    let mut patch = Patch::default();
    for difference in differences {
        let body = Body::of(difference);
        write_header(&mut patch.diff, difference, &body);
        if let Body::Text { hunks, .. } = &body {
            patch.diff.push_str(hunks);
        }
        patch.files.push(change(difference, &body));
    }
    patch
}

fn change(difference: &Difference, body: &Body) -> FileChange {
    let Difference { path, from, before, after } = difference;
    let digest = |content: &Option<Content>| content.as_ref().map(|one| Digest::of(&one.bytes));
    let executable = |content: &Option<Content>| content.as_ref().is_some_and(|one| one.executable);
    let kind = match (from, before, after) {
        (Some(_), _, _) => ChangeKind::Renamed,
        (None, None, _) => ChangeKind::Added,
        (None, Some(_), None) => ChangeKind::Deleted,
        (None, Some(_), Some(_)) => ChangeKind::Modified,
    };
    let (added_lines, removed_lines) = body.lines();
    FileChange {
        path: path.clone(),
        kind,
        from: from.clone(),
        before: digest(before),
        after: digest(after),
        executable: executable(after),
        mode_changed: before.is_some()
            && after.is_some()
            && executable(before) != executable(after),
        binary: matches!(body, Body::Binary),
        added_lines,
        removed_lines,
    }
}

/// What is below the header.
enum Body {
    /// Both sides are the same bytes.
    Same,
    Text {
        hunks: String,
        added: u32,
        removed: u32,
    },
    Binary,
}

impl Body {
    fn of(difference: &Difference) -> Self {
        let before = difference.before.as_ref().map_or(&b""[..], |content| &content.bytes);
        let after = difference.after.as_ref().map_or(&b""[..], |content| &content.bytes);
        if before == after {
            return Self::Same;
        }
        match (text(before), text(after)) {
            (Some(before), Some(after)) => text_body(before, after),
            _ => Self::Binary,
        }
    }

    const fn lines(&self) -> (u32, u32) {
        match self {
            Self::Text { added, removed, .. } => (*added, *removed),
            Self::Same | Self::Binary => (0, 0),
        }
    }
}

/// Text is UTF-8 without NUL.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn text_body(before: &str, after: &str) -> Body {
    if before.lines().count() + after.lines().count() > SEARCH_CAP {
        return replaced(before, after);
    }
    let patch = DiffOptions::new().create_patch(before, after);
    let (mut added, mut removed) = (0, 0);
    for line in patch.hunks().iter().flat_map(diffy::Hunk::lines) {
        match line {
            Line::Insert(_) => added += 1,
            Line::Delete(_) => removed += 1,
            Line::Context(_) => {}
        }
    }
    // The names are ours; diffy's two lines for them go.
    let printed = patch.to_string();
    let hunks = printed.find("@@ ").map_or("", |start| &printed[start..]).to_owned();
    Body::Text { hunks, added, removed }
}

/// One hunk from the first line that differs to the last.
fn replaced(before: &str, after: &str) -> Body {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let head = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let tails = old[head..].iter().rev().zip(new[head..].iter().rev());
    let tail = tails.take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let mut hunks = format!("@@ -{} +{} @@\n", range(head, old.len()), range(head, new.len()));
    for (sign, lines) in [('-', old), ('+', new)] {
        for line in lines {
            let _ = write!(hunks, "{sign}{line}");
            if !line.ends_with('\n') {
                hunks.push_str("\n\\ No newline at end of file\n");
            }
        }
    }
    let count = |lines: &[&str]| u32::try_from(lines.len()).unwrap_or(u32::MAX);
    Body::Text { added: count(new), removed: count(old), hunks }
}

/// An empty range is named by the line before it.
fn range(head: usize, count: usize) -> String {
    let start = if count == 0 { head } else { head + 1 };
    format!("{start},{count}")
}

/// The header as `git diff` writes it (git-diff(1), "generating patch text with -p").
fn write_header(diff: &mut String, difference: &Difference, body: &Body) {
    let Difference { path, from, before, after } = difference;
    let old = name("a/", from.as_ref().unwrap_or(path).as_str());
    let new = name("b/", path.as_str());
    let _ = writeln!(diff, "diff --git {old} {new}");
    let mode = |content: &Content| if content.executable { "100755" } else { "100644" };
    match (before, after) {
        (None, Some(after)) => {
            let _ = writeln!(diff, "new file mode {}", mode(after));
        }
        (Some(before), None) => {
            let _ = writeln!(diff, "deleted file mode {}", mode(before));
        }
        (Some(before), Some(after)) if before.executable != after.executable => {
            let _ = writeln!(diff, "old mode {}\nnew mode {}", mode(before), mode(after));
        }
        _ => {}
    }
    if let Some(from) = from {
        let (from, to) = (name("", from.as_str()), name("", path.as_str()));
        let _ = writeln!(diff, "rename from {from}\nrename to {to}");
    }
    let old = if before.is_some() { old } else { "/dev/null".to_owned() };
    let new = if after.is_some() { new } else { "/dev/null".to_owned() };
    match body {
        Body::Same => {}
        Body::Binary => {
            let _ = writeln!(diff, "Binary files {old} and {new} differ");
        }
        Body::Text { .. } => {
            let _ = writeln!(diff, "--- {old}{}\n+++ {new}{}", tab(&old), tab(&new));
        }
    }
}

/// Git ends a name with blanks by a tab, so that no reader takes a blank for the end.
fn tab(name: &str) -> &'static str {
    if name.contains(' ') && !name.starts_with('"') { "\t" } else { "" }
}

/// In quotes if it has one; a path has no other character that needs it.
fn name(prefix: &str, path: &str) -> String {
    if path.contains('"') {
        format!("\"{prefix}{}\"", path.replace('"', "\\\""))
    } else {
        format!("{prefix}{path}")
    }
}
