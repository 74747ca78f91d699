//! The rules by which files leave a session: what a pattern names, which links stay, and headers
//! that depend on nothing but the file.

use std::path::{Component, Path};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use matrix_architect_core::error::Error;

/// A pattern names files, or directories with all that is in them.
pub(crate) fn patterns(patterns: &[String]) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let pattern = pattern.trim_end_matches('/');
        set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
    }
    set.build()
}

/// The same archive for the same files: no owner, no time, three modes.
pub(crate) fn header(kind: tar::EntryType, executable: bool) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(match kind {
        tar::EntryType::Symlink => 0o777,
        _ if executable => 0o755,
        _ => 0o644,
    });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    header
}

/// Whether a link, taken by its text, points beneath the tree.
pub(crate) fn stays_inside(link: &Path, target: &Path) -> bool {
    let mut depth = link.components().count().saturating_sub(1);
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

/// The error for more than the caller wanted to take.
pub(crate) fn too_large(what: &str, cap: u64) -> Error {
    Error::invalid("what is to be collected is too large")
        .code("too_large")
        .context("what", what)
        .context("cap", cap)
        .advice("name fewer files, or raise the cap")
}
