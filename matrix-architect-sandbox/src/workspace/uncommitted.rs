//! Tells whether a work tree holds edits that are not committed.

use std::{io::Read, os::unix::fs::MetadataExt as _, path::Path};

use matrix_architect_core::{
    path::RelPath,
    traits::{EntryKind, TreeEntry},
};

use super::{DirTree, beneath::Beneath, walk::walk};

/// Whether a committed file is missing in the work tree or other there. Git itself is not asked:
/// it would run the repository's filters. New files are not looked for, as only the repository's
/// ignore rules could tell them from build output.
pub(super) fn differs(tree: &DirTree, work_tree: &Path, subfolder: Option<&RelPath>) -> bool {
    let place =
        subfolder.map_or_else(|| work_tree.to_owned(), |folder| work_tree.join(folder.as_path()));
    let Ok(work_tree) = Beneath::open(place) else { return true };
    let Ok(entries) = walk(tree.root()) else { return true };
    entries.iter().any(|entry| !same(tree.root(), &work_tree, entry))
}

fn same(committed: &Beneath, work_tree: &Beneath, entry: &TreeEntry) -> bool {
    let path = &entry.path;
    if entry.kind == EntryKind::Symlink {
        return matches!((committed.link(path), work_tree.link(path)), (Ok(a), Ok(b)) if a == b);
    }
    let (Ok(committed), Ok(edited)) = (committed.file(path), work_tree.file(path)) else {
        return false;
    };
    let Ok(status) = edited.metadata() else { return false };
    let executable = entry.kind == EntryKind::Executable;
    status.size() == entry.size
        && (status.mode() & 0o100 != 0) == executable
        && same_content(committed, edited)
}

fn same_content(mut one: impl Read, mut other: impl Read) -> bool {
    let (mut left, mut right) = ([0; 16 * 1024], [0; 16 * 1024]);
    loop {
        let Ok(count) = one.read(&mut left) else { return false };
        if count == 0 {
            return matches!(other.read(&mut right), Ok(0));
        }
        if other.read_exact(&mut right[..count]).is_err() || left[..count] != right[..count] {
            return false;
        }
    }
}
