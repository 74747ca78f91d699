//! What a change really did to the tree.

use serde::{Deserialize, Serialize};

use crate::{canonical, error::Result, id::Digest, path::RelPath};

/// What happened to one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// The file is new.
    Added,
    /// The content or the mode is another.
    Modified,
    /// The file is gone.
    Deleted,
    /// The file moved, with or without new content.
    Renamed,
}

/// One file of a patch, by digests: what it was and what it became.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// The path afterwards, or before a deletion.
    pub path: RelPath,
    /// What happened.
    pub kind: ChangeKind,
    /// The path before a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<RelPath>,
    /// The content before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Digest>,
    /// The content after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
    /// Whether the file is executable afterwards.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub executable: bool,
    /// Whether the executable bit changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mode_changed: bool,
    /// Whether either content is not text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub binary: bool,
    /// Lines added.
    #[serde(default)]
    pub added_lines: u32,
    /// Lines removed.
    #[serde(default)]
    pub removed_lines: u32,
}

/// A patch as it was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// The files in path order.
    pub files: Vec<FileChange>,
    /// The unified diff, for people and for policies that read added lines.
    pub diff: String,
}

impl Patch {
    /// The digest of the files' canonical JSON: what approvals bind to and attestations name.
    ///
    /// # Errors
    /// As [`canonical::digest`].
    pub fn hash(&self) -> Result<Digest> {
        canonical::digest(&self.files)
    }

    /// Lines added and removed together.
    pub fn changed_lines(&self) -> u64 {
        self.files.iter().map(|f| u64::from(f.added_lines) + u64::from(f.removed_lines)).sum()
    }

    /// Whether the patch touches `path`, before or after.
    pub fn touches(&self, path: &str) -> bool {
        self.files.iter().any(|file| {
            file.path.as_str() == path
                || file.from.as_ref().is_some_and(|from| from.as_str() == path)
        })
    }
}
