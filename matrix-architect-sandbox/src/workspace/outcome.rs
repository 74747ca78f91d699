//! What files are to become, all relative to the base, as operations in an order that applies.

use std::collections::{BTreeMap, BTreeSet};

use matrix_architect_core::{
    path::RelPath,
    plan::{FileOp, FileOpKind},
    traits::{EntryKind, TreeEntry},
};

/// A file that is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    /// The mode, if it is said.
    pub(super) executable: Option<bool>,
}

/// What files are to become. Whole contents and no order, so that a diff may swap two files.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) written: BTreeMap<RelPath, File>,
    pub(super) gone: BTreeSet<RelPath>,
    /// From the new path to the old.
    pub(super) renamed: BTreeMap<RelPath, RelPath>,
}

impl Outcome {
    /// Deletions first, so that a folder can take a file's place; creations last.
    pub(super) fn operations(self, base: &[TreeEntry]) -> Vec<FileOp> {
        let kinds: BTreeMap<&RelPath, EntryKind> =
            base.iter().map(|entry| (&entry.path, entry.kind)).collect();
        let moves = self.moves(&kinds);
        let sources: BTreeSet<&RelPath> = moves.values().copied().collect();
        let (mut deletions, mut renames) = (Vec::new(), Vec::new());
        let (mut updates, mut creations) = (Vec::new(), Vec::new());
        for path in &self.gone {
            // What is gone and written again is an update.
            if !self.written.contains_key(path) && !sources.contains(path) {
                deletions.push(op(FileOpKind::Delete, path));
            }
        }
        for (path, file) in &self.written {
            let op = if let Some(from) = moves.get(path) {
                let from = from.to_string();
                let op = FileOp { from: Some(from), ..op(FileOpKind::Rename, path) };
                renames.push(with(op, file, file.executable));
                continue;
            } else if let Some(kind) = kinds.get(path) {
                let now = *kind == EntryKind::Executable;
                let executable = file.executable.filter(|wanted| *wanted != now);
                updates.push(with(op(FileOpKind::Update, path), file, executable));
                continue;
            } else {
                op(FileOpKind::Create, path)
            };
            creations.push(with(op, file, file.executable.filter(|executable| *executable)));
        }
        deletions.into_iter().chain(renames).chain(updates).chain(creations).collect()
    }

    /// Renames that can stand as such: from a path that is free afterwards to one that was before.
    fn moves<'s>(
        &'s self,
        kinds: &BTreeMap<&RelPath, EntryKind>,
    ) -> BTreeMap<&'s RelPath, &'s RelPath> {
        let mut taken = BTreeSet::new();
        self.renamed
            .iter()
            .filter(|(to, from)| {
                !kinds.contains_key(to) && !self.written.contains_key(*from) && taken.insert(*from)
            })
            .collect()
    }
}

fn op(kind: FileOpKind, path: &RelPath) -> FileOp {
    FileOp { op: kind, path: path.to_string(), ..FileOp::default() }
}

fn with(op: FileOp, file: &File, executable: Option<bool>) -> FileOp {
    FileOp { executable, ..op.with_bytes(file.bytes.clone()) }
}
