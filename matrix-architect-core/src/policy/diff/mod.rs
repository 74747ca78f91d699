//! Reads a unified diff file by file. A diff that cannot be read is no diff without findings: the
//! files that were not read are named, and they count as risk.

mod quoting;
mod section;
#[cfg(test)]
mod tests;

use crate::{
    id::Digest,
    patch::{FileChange, Patch},
};

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
        let section::Sections { by_path: mut sections, twice } = section::sections(&patch.diff);
        let mut unread: Vec<_> = twice.into_iter().map(Into::into).collect();
        let mut files = Vec::with_capacity(patch.files.len());
        for change in &patch.files {
            let lines = sections.remove(change.path.as_str()).unwrap_or_default();
            let file = ChangedFile { change, lines };
            if !file.is_read() {
                unread.push(change.path.to_string());
            }
            files.push(file);
        }
        unread.extend(sections.into_keys().map(Into::into));
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

    /// Whether the diff shows as many lines as the patch counted, and any at all where the content
    /// is another.
    fn is_read(&self) -> bool {
        let change = self.change;
        let counted = (change.added_lines as usize, change.removed_lines as usize);
        let is_other = match (change.before, change.after) {
            (Some(before), Some(after)) => before != after,
            (None, Some(only)) | (Some(only), None) => only != Digest::of(""),
            (None, None) => false,
        };
        change.binary
            || (counted == (self.added().count(), self.removed().count())
                && (counted != (0, 0) || !is_other))
    }
}
