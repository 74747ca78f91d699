//! The rules for archives that were packed where commands had written: which entries are asked for,
//! which are taken, and how much of them.

use std::{
    collections::BTreeSet,
    io::Read,
    path::{Component, Path, PathBuf},
};

use globset::GlobSet;
use matrix_architect_core::{error::Result, traits::Collect};
use tar::EntryType;

use super::{Member, stays_inside, too_large};

/// What an entry is to be taken as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packed {
    /// A file; its content follows.
    File { size: u64, executable: bool },
    /// A symbolic link that points beneath the tree.
    Link(String),
    /// A second name of a file that came before, which is named if it has a name.
    Second(Vec<u8>),
}

impl Packed {
    /// `None` for what is not taken: links that lead out of the tree, and what is no file.
    pub(crate) fn of<R: Read>(path: &Path, member: &Member<'_, R>) -> Option<Self> {
        match member.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                let executable = member.header().mode().is_ok_and(|mode| mode & 0o111 != 0);
                Some(Self::File { size: member.size(), executable })
            }
            EntryType::Symlink => {
                let target = String::from_utf8(member.target()?.into_owned()).ok()?;
                stays_inside(path, Path::new(&target)).then_some(Self::Link(target))
            }
            EntryType::Link => Some(Self::Second(member.target().unwrap_or_default().into_owned())),
            _ => None,
        }
    }
}

/// How much may still be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance<'a> {
    what: &'a Collect,
    bytes: u64,
    entries: u64,
}

impl<'a> Allowance<'a> {
    pub(crate) fn of(what: &'a Collect) -> Self {
        Self { what, bytes: what.max_bytes, entries: what.max_entries }
    }

    /// Takes one more entry.
    pub(crate) fn entry(&mut self) -> Result<()> {
        let cap = self.what.max_entries;
        self.entries = self.entries.checked_sub(1).ok_or_else(|| too_large("entries", cap))?;
        Ok(())
    }

    /// Takes that much content.
    pub(crate) fn bytes(&mut self, size: u64) -> Result<()> {
        let cap = self.what.max_bytes;
        self.bytes = self.bytes.checked_sub(size).ok_or_else(|| too_large("bytes", cap))?;
        Ok(())
    }
}

/// The path, if something in a tree can have it.
pub(crate) fn tree_path(path: &Path) -> Option<PathBuf> {
    let is_plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_plain && path != Path::new("")).then(|| path.to_owned())
}

/// Whether a pattern names it or a folder it is in.
pub(crate) fn is_wanted(globs: &GlobSet, path: &Path) -> bool {
    path.ancestors().any(|path| path != Path::new("") && globs.is_match(path))
}

/// Where to look: of each pattern what stands before its first wildcard, and of those that lie in
/// one another the outer.
pub(crate) fn parts(patterns: &[String]) -> Vec<String> {
    let is_wild = |part: &str| part.contains(['*', '?', '[', ']', '{', '}', '\\', '!']);
    let mut parts: BTreeSet<String> = BTreeSet::new();
    for pattern in patterns {
        let pattern = pattern.trim_end_matches('/');
        let names: Vec<_> = pattern.split('/').collect();
        // Nothing in a tree has such a name.
        if names.iter().any(|name| matches!(*name, "" | "." | "..")) {
            continue;
        }
        let literal: Vec<_> = names.iter().copied().take_while(|name| !is_wild(name)).collect();
        parts.insert(literal.join("/"));
    }
    let covers = |outer: &str, inner: &str| {
        outer.is_empty() || inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'))
    };
    let inner = |part: &String| parts.iter().any(|outer| outer != part && covers(outer, part));
    parts.iter().filter(|part| !inner(part)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(patterns: &[&str]) -> Vec<String> {
        parts(&patterns.iter().map(|pattern| (*pattern).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn no_more_is_asked_for_than_patterns_can_mean() {
        assert_eq!(asked(&["target/release/app", "dist/*.whl"]), ["dist", "target/release/app"]);
        assert_eq!(asked(&["dist", "dist/deep/x", "dist-info/"]), ["dist", "dist-info"]);
        assert_eq!(asked(&["**", "a/b"]), [""]);
        assert_eq!(asked(&["../*", "/etc/*", "a/../b", "./x", ""]), Vec::<String>::new());
    }

    #[test]
    fn the_last_that_is_allowed_is_taken_and_no_more() {
        let mut what = Collect::new(["**"]);
        (what.max_bytes, what.max_entries) = (8, 2);
        let mut allowance = Allowance::of(&what);
        assert!(allowance.bytes(8).is_ok() && allowance.bytes(0).is_ok());
        assert_eq!(allowance.bytes(1).unwrap_err().code_str(), "too_large");
        assert!(allowance.entry().is_ok() && allowance.entry().is_ok());
        assert_eq!(allowance.entry().unwrap_err().code_str(), "too_large");
    }
}
