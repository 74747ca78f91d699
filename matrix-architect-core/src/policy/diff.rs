//! Reads a unified diff file by file. A diff that cannot be read is no diff without findings: the
//! files that were not read are named, and they count as risk.

use std::{borrow::Cow, collections::BTreeMap};

use crate::patch::{FileChange, Patch};

/// A patch with the lines of its diff beside each file.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    /// The files in the patch's order.
    pub(super) files: Vec<ChangedFile<'a>>,
    /// Files whose lines could not be read, or that the diff has and the patch has not.
    pub(super) unread: Vec<String>,
}

/// One file of a patch with its lines.
#[derive(Debug)]
pub(super) struct ChangedFile<'a> {
    pub(super) change: &'a FileChange,
    pub(super) lines: Lines<'a>,
}

/// What a diff says about one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines<'a> {
    /// All lines of all hunks, in order.
    pub(super) all: Vec<Line<'a>>,
    /// Where in `all` each hunk begins, rising.
    pub(super) hunks: Vec<usize>,
    /// The file's mode afterwards, as Git writes it, if the diff says so.
    pub(super) mode: Option<&'a str>,
}

/// One line of a hunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Context(&'a str),
    Added(&'a str),
    Removed(&'a str),
}

impl<'a> Line<'a> {
    /// The line without its sign.
    pub(super) const fn text(self) -> &'a str {
        match self {
            Self::Context(text) | Self::Added(text) | Self::Removed(text) => text,
        }
    }
}

impl<'a> Reading<'a> {
    pub(super) fn of(patch: &'a Patch) -> Self {
        let mut sections = sections(&patch.diff);
        let mut unread = Vec::new();
        let mut files = Vec::with_capacity(patch.files.len());
        for change in &patch.files {
            let lines = sections.remove(change.path.as_str()).unwrap_or_default();
            let file = ChangedFile { change, lines };
            if !file.is_read() {
                unread.push(change.path.to_string());
            }
            files.push(file);
        }
        unread.extend(sections.into_keys().map(Cow::into_owned));
        Self { files, unread }
    }
}

impl<'a> ChangedFile<'a> {
    pub(super) fn path(&self) -> &'a str {
        self.change.path.as_str()
    }

    pub(super) fn name(&self) -> &'a str {
        self.change.path.file_name()
    }

    pub(super) fn added(&self) -> impl Iterator<Item = &'a str> {
        self.lines.all.iter().filter_map(|line| match line {
            Line::Added(text) => Some(*text),
            Line::Context(_) | Line::Removed(_) => None,
        })
    }

    pub(super) fn removed(&self) -> impl Iterator<Item = &'a str> {
        self.lines.all.iter().filter_map(|line| match line {
            Line::Removed(text) => Some(*text),
            Line::Context(_) | Line::Added(_) => None,
        })
    }

    /// The hunks' lines as they were before.
    pub(super) fn before(&self) -> impl Iterator<Item = &'a str> {
        self.lines.all.iter().filter_map(|line| match line {
            Line::Removed(text) | Line::Context(text) => Some(*text),
            Line::Added(_) => None,
        })
    }

    /// The hunks' lines as they are afterwards.
    pub(super) fn after(&self) -> impl Iterator<Item = &'a str> {
        self.lines.all.iter().filter_map(|line| match line {
            Line::Added(text) | Line::Context(text) => Some(*text),
            Line::Removed(_) => None,
        })
    }

    /// Whether the diff shows as many lines as the patch counted.
    fn is_read(&self) -> bool {
        let counted = (self.change.added_lines as usize, self.change.removed_lines as usize);
        self.change.binary || counted == (self.added().count(), self.removed().count())
    }
}

/// The lines of each file by the path afterwards, or before a deletion.
fn sections(diff: &str) -> BTreeMap<Cow<'_, str>, Lines<'_>> {
    let mut sections = BTreeMap::new();
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
        }
    }

    fn finish(self, sections: &mut BTreeMap<Cow<'a, str>, Lines<'a>>) {
        if let Some(path) = self.after.or(self.before) {
            sections.insert(path, self.lines);
        }
    }
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

/// `a/x b/x` → `x`. Only renames have two paths, and those say so in lines of their own.
fn same_path_twice(paths: &str) -> Option<Cow<'_, str>> {
    if paths.starts_with('"') {
        let (_, after) = paths.rsplit_once(" \"b/")?;
        return Some(unescape(after.strip_suffix('"')?));
    }
    let half = paths.len().checked_sub(1)? / 2;
    let path = paths.get(..half)?.strip_prefix("a/")?;
    let again = paths.get(half + 1..)?.strip_prefix("b/")?;
    (path == again).then_some(Cow::Borrowed(path))
}

/// The path of a `---` or `+++` line; `None` for `/dev/null`.
fn side<'a>(text: &'a str, prefix: &str) -> Option<Cow<'a, str>> {
    let text = text.split('\t').next().unwrap_or(text);
    if text == "/dev/null" {
        return None;
    }
    Some(match unquote(text) {
        Cow::Borrowed(path) => Cow::Borrowed(path.strip_prefix(prefix).unwrap_or(path)),
        Cow::Owned(path) => Cow::Owned(path.strip_prefix(prefix).unwrap_or(&path).to_owned()),
    })
}

fn unquote(text: &str) -> Cow<'_, str> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.map_or(Cow::Borrowed(text), unescape)
}

/// Git quotes unusual paths like C: `\t`, `\"`, and bytes in octal.
fn unescape(text: &str) -> Cow<'_, str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(high @ b'0'..=b'3') => {
                let digit = |byte: Option<u8>| byte.unwrap_or(b'0').wrapping_sub(b'0') & 7;
                (high - b'0') << 6 | digit(rest.next()) << 3 | digit(rest.next())
            }
            Some(other) => other,
            None => b'\\',
        });
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(diff: &str) -> Vec<(String, usize, usize)> {
        let count = |lines: &Lines<'_>| {
            let added = lines.all.iter().filter(|line| matches!(line, Line::Added(_))).count();
            let removed = lines.all.iter().filter(|line| matches!(line, Line::Removed(_))).count();
            (added, removed)
        };
        let all = sections(diff);
        all.iter()
            .map(|(path, lines)| {
                let (added, removed) = count(lines);
                (path.to_string(), added, removed)
            })
            .collect()
    }

    #[test]
    fn lines_that_look_like_headers_are_lines() {
        let diff = "diff --git a/q.sql b/q.sql\n--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@\n\
                    --- a comment\n+++ b\n-x\n+y\ndiff --git a/z b/z\nnew file mode 120000\n";
        assert_eq!(shape(diff), [("q.sql".into(), 2, 2), ("z".into(), 0, 0)]);
        assert_eq!(sections(diff)["z"].mode, Some("120000"));
    }

    #[test]
    fn deleted_renamed_and_quoted_paths_are_found() {
        let diff = "diff --git a/old b/old\ndeleted file mode 100644\n--- a/old\n+++ /dev/null\n\
                    @@ -1 +0,0 @@\n-x\n\
                    diff --git a/a b/b\nsimilarity index 100%\nrename from a\nrename to b\n\
                    diff --git \"a/\\303\\244 b\" \"b/\\303\\244 b\"\n--- \"a/\\303\\244 b\"\n\
                    +++ \"b/\\303\\244 b\"\n@@ -0,0 +1 @@\n+x\n\\ No newline at end of file\n";
        assert_eq!(shape(diff), [("b".into(), 0, 0), ("old".into(), 0, 1), ("ä b".into(), 1, 0)]);
    }

    #[test]
    fn a_diff_without_git_headers_is_read_too() {
        let diff =
            "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-1\n+2\n--- a/y\n+++ b/y\n@@ -1 +1,2 @@\n 1\n+2\n";
        assert_eq!(shape(diff), [("x".into(), 1, 1), ("y".into(), 1, 0)]);
    }
}
