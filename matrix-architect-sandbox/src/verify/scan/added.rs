//! Which lines a change adds.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map::Entry};

use bytes::Bytes;
use matrix_architect_core::{
    error::Result,
    id::Digest,
    path::RelPath,
    traits::{EntryKind, Tree, VerifyContext},
};

/// A file beyond this is not scanned, and the evidence then does not pass.
const MAX_FILE: u64 = 16 << 20;

/// A line that was not there before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedLine {
    /// Its number in the changed file, from 1.
    pub number: u32,
    /// Its text, without its end.
    pub text: String,
}

/// What a change adds.
#[derive(Debug, Default)]
pub(super) struct Added {
    pub(super) files: Vec<(RelPath, Vec<AddedLine>)>,
    /// How many files were too large to look at.
    pub(super) unread: usize,
}

/// The lines of `after` that `before` does not have, counted: a line twice in the one and once in
/// the other is added once. Moved lines are not new, which is what a scan wants.
pub fn added_lines(before: &[u8], after: &[u8]) -> Vec<AddedLine> {
    let mut known = HashMap::<&[u8], usize>::new();
    for line in before.split(|byte| *byte == b'\n') {
        *known.entry(line).or_default() += 1;
    }
    let mut added = Vec::new();
    for (number, line) in (1..).zip(after.split(|byte| *byte == b'\n')) {
        match known.get_mut(line) {
            Some(left) if *left > 0 => *left -= 1,
            _ if line.is_empty() => {}
            _ => added.push(AddedLine { number, text: String::from_utf8_lossy(line).into_owned() }),
        }
    }
    added
}

/// What the context's tree adds to its base.
pub(super) async fn of_trees(cx: &VerifyContext<'_>) -> Result<Added> {
    let before: BTreeMap<_, _> = cx
        .base
        .list()
        .await?
        .into_iter()
        .map(|entry| (entry.path, (entry.kind, entry.size)))
        .collect();
    let planned: BTreeSet<&str> = cx.plan.operations().map(|op| op.path.as_str()).collect();
    let mut added = Added::default();
    // Read only when a file is new: one that merely moved adds nothing.
    let mut contents = None;
    for entry in cx.tree.list().await? {
        let same = before.get(&entry.path) == Some(&(entry.kind, entry.size));
        if entry.kind == EntryKind::Symlink || (same && !planned.contains(entry.path.as_str())) {
            continue;
        }
        if entry.size > MAX_FILE {
            added.unread += 1;
            continue;
        }
        let Some(after) = cx.tree.read(&entry.path).await? else { continue };
        let was = if before.contains_key(&entry.path) {
            cx.base.read(&entry.path).await?.unwrap_or_default()
        } else {
            Bytes::new()
        };
        if was.is_empty() && moved(cx.base, &before, entry.size, &after, &mut contents).await? {
            continue;
        }
        // A file with NUL bytes is no text; secrets are scanned for in it all the same.
        let lines = added_lines(&was, &after);
        if !lines.is_empty() {
            added.files.push((entry.path, lines));
        }
    }
    Ok(added)
}

type Contents = BTreeMap<u64, Vec<Digest>>;

/// Whether the base has a file of just this content. Only files of that size are read, once.
async fn moved(
    base: &dyn Tree,
    before: &BTreeMap<RelPath, (EntryKind, u64)>,
    size: u64,
    content: &Bytes,
    known: &mut Option<Contents>,
) -> Result<bool> {
    let known = known.get_or_insert_default();
    let digests = match known.entry(size) {
        Entry::Occupied(digests) => digests.into_mut(),
        Entry::Vacant(vacant) => {
            let mut digests = Vec::new();
            for (path, _) in before.iter().filter(|(_, (_, other))| *other == size) {
                digests.extend(base.read(path).await?.map(Digest::of));
            }
            vacant.insert(digests)
        }
    };
    Ok(digests.contains(&Digest::of(content)))
}
