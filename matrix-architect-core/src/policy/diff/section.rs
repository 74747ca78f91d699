//! The sections of a diff: headers, hunks, and the lines of each.

use std::{borrow::Cow, collections::BTreeMap};

use super::{
    Line, Lines,
    quoting::{same_path_twice, side, unquote},
};

/// What a diff says, file by file.
#[derive(Default)]
pub(super) struct Sections<'a> {
    /// The lines of each file by the path afterwards, or before a deletion.
    pub(super) by_path: BTreeMap<Cow<'a, str>, Lines<'a>>,
    /// Paths that the diff has more than once: whichever part was meant, another one hides it.
    pub(super) twice: Vec<Cow<'a, str>>,
}

/// Reads a diff line by line, each line once.
pub(super) fn sections(diff: &str) -> Sections<'_> {
    let mut sections = Sections::default();
    let mut section = Section::default();
    for line in diff.split_terminator('\n') {
        let line = line.strip_suffix('\r').filter(|_| !section.in_hunk()).unwrap_or(line);
        if section.take_hunk_line(line) {
            continue;
        }
        let begins = line.starts_with("diff --git ")
            || (line.starts_with("--- ") && !section.lines.all.is_empty());
        if begins {
            section.finish(&mut sections);
            section = Section::default();
        }
        section.take_header(line);
    }
    section.finish(&mut sections);
    sections
}

/// A file's part of a diff while it is read.
#[derive(Default)]
struct Section<'a> {
    before: Option<Cow<'a, str>>,
    after: Option<Cow<'a, str>>,
    lines: Lines<'a>,
    old_left: u64,
    new_left: u64,
}

impl<'a> Section<'a> {
    const fn in_hunk(&self) -> bool {
        self.old_left > 0 || self.new_left > 0
    }

    /// Counting the hunk's lines is what keeps a removed `-- a` from being read as a header.
    fn take_hunk_line(&mut self, line: &'a str) -> bool {
        if !self.in_hunk() {
            return false;
        }
        let (sign, text) = line.split_at_checked(1).unwrap_or((" ", ""));
        match sign {
            "+" => {
                self.new_left = self.new_left.saturating_sub(1);
                self.lines.all.push(Line::Added(text));
            }
            "-" => {
                self.old_left = self.old_left.saturating_sub(1);
                self.lines.all.push(Line::Removed(text));
            }
            " " => {
                self.old_left = self.old_left.saturating_sub(1);
                self.new_left = self.new_left.saturating_sub(1);
                self.lines.all.push(Line::Context(text));
            }
            "\\" => {}
            _ => {
                (self.old_left, self.new_left) = (0, 0);
                return false;
            }
        }
        true
    }

    fn take_header(&mut self, line: &'a str) {
        if let Some((old, new)) = line.strip_prefix("@@ -").and_then(hunk_lengths) {
            (self.old_left, self.new_left) = (old, new);
            self.lines.hunks.push(self.lines.all.len());
        } else if let Some(paths) = line.strip_prefix("diff --git ") {
            self.after = same_path_twice(paths);
            self.before.clone_from(&self.after);
        } else if let Some(path) = line.strip_prefix("--- ") {
            self.before = side(path, "a/").or(self.before.take());
        } else if let Some(path) = line.strip_prefix("+++ ") {
            self.after = side(path, "b/");
        } else if let Some(path) = line.strip_prefix("rename from ") {
            self.before = Some(unquote(path));
        } else if let Some(path) = line.strip_prefix("rename to ") {
            self.after = Some(unquote(path));
        } else if let Some(mode) =
            line.strip_prefix("new file mode ").or_else(|| line.strip_prefix("new mode "))
        {
            self.lines.mode = Some(mode);
        } else if let Some(mode) = line.strip_prefix("index ").and_then(kept_mode) {
            self.lines.mode.get_or_insert(mode);
        }
    }

    fn finish(self, sections: &mut Sections<'a>) {
        let Some(path) = self.after.or(self.before) else { return };
        if sections.by_path.insert(path.clone(), self.lines).is_some() {
            sections.twice.push(path);
        }
    }
}

/// `0a1b2c..3d4e5f 100644` → `100644`: a mode that stays stands beside the digests.
fn kept_mode(text: &str) -> Option<&str> {
    let (digests, mode) = text.split_once(' ')?;
    digests.contains("..").then_some(mode)
}

/// `12,3 +12,4 @@` → (3, 4); a length that is left out is 1.
fn hunk_lengths(text: &str) -> Option<(u64, u64)> {
    let (old, rest) = text.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let length = |range: &str| match range.split_once(',') {
        Some((_, length)) => length.parse().ok(),
        None => Some(1),
    };
    Some((length(old)?, length(new)?))
}
