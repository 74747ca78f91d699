//! Reads a unified diff against a base: every file by its whole new content, with no fuzz at all.

use std::collections::BTreeMap;

use diffy::{
    binary::{BinaryData, BinaryPatch},
    patch_set::{FileMode, FileOperation, FilePatch, ParseOptions, PatchKind, PatchSet},
};
use matrix_architect_core::{
    Error,
    error::Result,
    path::RelPath,
    traits::{EntryKind, Tree, TreeEntry},
};

use super::{
    TreeLimits,
    draft::conflict,
    fault::unsafe_path,
    hunks,
    limits::too_large,
    outcome::{File, Outcome},
};

type Text<'d> = FilePatch<'d, str>;

/// What the diff makes of the base.
pub(super) async fn read(
    diff: &str,
    base: &dyn Tree,
    entries: &[TreeEntry],
    limits: TreeLimits,
) -> Result<Outcome> {
    let patches = parse(diff)?;
    let kinds = entries.iter().map(|entry| (entry.path.clone(), entry.kind)).collect();
    let outcome = Outcome::default();
    let mut reading = Reading { base, kinds, limits, outcome, created: Vec::new() };
    for patch in &patches {
        reading.take(patch).await?;
    }
    reading.refuse_overwriting()?;
    Ok(reading.outcome)
}

/// All files of the diff, or nothing: a part that the parser would skip is an error.
fn parse(diff: &str) -> Result<Vec<Text<'_>>> {
    let headers = diff.lines().filter(|line| line.starts_with("diff --git ")).count();
    let options = if headers > 0 { ParseOptions::gitdiff() } else { ParseOptions::unidiff() };
    let patches = PatchSet::parse(diff, options)
        .collect::<std::result::Result<Vec<_>, _>>()
        .map_err(|source| malformed("the diff cannot be read").source(source))?;
    let hunks = diff.lines().filter(|line| line.starts_with("@@ -")).count();
    let read = patches.iter().filter_map(|patch| patch.patch().as_text());
    let read: usize = read.map(|patch| patch.hunks().len()).sum();
    if read != hunks || (headers > 0 && patches.len() != headers) {
        return Err(malformed("a part of the diff belongs to no file"));
    }
    Ok(patches)
}

fn malformed(message: &'static str) -> Error {
    Error::invalid(message)
        .code("malformed_diff")
        .advice("hand in the output of git diff --binary as it is")
}

struct Reading<'a> {
    base: &'a dyn Tree,
    kinds: BTreeMap<RelPath, EntryKind>,
    limits: TreeLimits,
    outcome: Outcome,
    /// Paths that the diff says are new.
    created: Vec<RelPath>,
}

/// The paths of one file's patch.
enum Paths {
    Create(RelPath),
    Delete(RelPath),
    Modify(RelPath),
    Rename { from: RelPath, to: RelPath },
    Copy { from: RelPath, to: RelPath },
}

impl Reading<'_> {
    async fn take(&mut self, patch: &Text<'_>) -> Result<()> {
        let paths = paths(patch)?;
        refuse_special(patch, &paths)?;
        if let Paths::Create(path) | Paths::Rename { to: path, .. } | Paths::Copy { to: path, .. } =
            &paths
        {
            self.created.push(path.clone());
        }
        match &paths {
            Paths::Create(path) => {
                let bytes = patched(patch, &[], path, self.limits)?;
                self.write(path, bytes, mode(patch).or(Some(false)))
            }
            Paths::Modify(path) => {
                let old = self.old(path).await?;
                let bytes = patched(patch, &old, path, self.limits)?;
                if bytes == old && mode(patch).is_none() {
                    return Err(malformed("the diff names a file and changes nothing in it")
                        .context("path", path));
                }
                self.write(path, bytes, mode(patch))
            }
            Paths::Delete(path) => {
                let old = self.old(path).await?;
                if !patched(patch, &old, path, self.limits)?.is_empty() {
                    return Err(conflict("the deleted file holds more than the diff", path));
                }
                self.gone(path)
            }
            Paths::Rename { from, to } => {
                let bytes = self.moved(patch, from).await?;
                self.gone(from)?;
                self.outcome.renamed.insert(to.clone(), from.clone());
                self.write(to, bytes, mode(patch).or_else(|| self.executable(from)))
            }
            Paths::Copy { from, to } => {
                let bytes = self.moved(patch, from).await?;
                self.write(to, bytes, mode(patch).or_else(|| self.executable(from)))
            }
        }
    }

    /// What is created is not there before, or goes with the same diff, as when files are swapped.
    fn refuse_overwriting(&self) -> Result<()> {
        let stays =
            |path: &&RelPath| self.kinds.contains_key(*path) && !self.outcome.gone.contains(*path);
        match self.created.iter().find(stays) {
            Some(path) => Err(conflict("the file exists already", path)),
            None => Ok(()),
        }
    }

    async fn moved(&self, patch: &Text<'_>, from: &RelPath) -> Result<Vec<u8>> {
        let old = self.old(from).await?;
        patched(patch, &old, from, self.limits)
    }

    /// The content in the base: all of a diff is about the state before it.
    async fn old(&self, path: &RelPath) -> Result<Vec<u8>> {
        match self.kinds.get(path) {
            Some(EntryKind::Symlink) => Err(unsafe_path("the diff changes a symbolic link", path)),
            Some(_) => {
                let old = self.base.read(path).await?;
                old.map(Into::into).ok_or_else(|| conflict("the file is gone from the base", path))
            }
            None => Err(conflict("the file does not exist", path)),
        }
    }

    fn executable(&self, path: &RelPath) -> Option<bool> {
        self.kinds.get(path).map(|kind| *kind == EntryKind::Executable)
    }

    fn write(&mut self, path: &RelPath, bytes: Vec<u8>, executable: Option<bool>) -> Result<()> {
        let file = File { bytes, executable };
        if self.outcome.written.insert(path.clone(), file).is_some() {
            return Err(twice(path));
        }
        Ok(())
    }

    fn gone(&mut self, path: &RelPath) -> Result<()> {
        if self.outcome.gone.insert(path.clone()) { Ok(()) } else { Err(twice(path)) }
    }
}

fn twice(path: &RelPath) -> Error {
    malformed("the diff changes the same file twice").context("path", path)
}

fn paths(patch: &Text<'_>) -> Result<Paths> {
    match patch.operation() {
        FileOperation::Create(path) => Ok(Paths::Create(stripped(path)?)),
        FileOperation::Delete(path) => Ok(Paths::Delete(stripped(path)?)),
        FileOperation::Modify { original, modified } => {
            let (original, modified) = (stripped(original)?, stripped(modified)?);
            if original != modified {
                return Err(malformed("the diff names two files and no rename")
                    .context("old", original)
                    .context("new", modified));
            }
            Ok(Paths::Modify(modified))
        }
        FileOperation::Rename { from, to } => {
            let (from, to) = (RelPath::new(&**from)?, RelPath::new(&**to)?);
            agree(patch, &from, &to)?;
            Ok(Paths::Rename { from, to })
        }
        FileOperation::Copy { from, to } => {
            let (from, to) = (RelPath::new(&**from)?, RelPath::new(&**to)?);
            agree(patch, &from, &to)?;
            Ok(Paths::Copy { from, to })
        }
    }
}

/// The path without the `a/` or `b/` that stands before it.
fn stripped(path: &str) -> Result<RelPath> {
    let (_, rest) = path.split_once('/').ok_or_else(|| {
        malformed("a path in the diff has no prefix such as a/ and b/")
            .context("path", path.escape_debug())
    })?;
    RelPath::new(rest)
}

/// What the hunks' header names must be what the rename or copy names.
fn agree(patch: &Text<'_>, from: &RelPath, to: &RelPath) -> Result<()> {
    let Some(text) = patch.patch().as_text() else { return Ok(()) };
    for (named, path) in [(text.original(), from), (text.modified(), to)] {
        if let Some(named) = named
            && stripped(named)? != *path
        {
            return Err(malformed("the diff's headers disagree").context("path", path));
        }
    }
    Ok(())
}

/// Links and submodules are no plain files.
fn refuse_special(patch: &Text<'_>, paths: &Paths) -> Result<()> {
    let (Paths::Create(path)
    | Paths::Delete(path)
    | Paths::Modify(path)
    | Paths::Rename { to: path, .. }
    | Paths::Copy { to: path, .. }) = paths;
    for mode in [patch.old_mode(), patch.new_mode()].into_iter().flatten() {
        match mode {
            FileMode::Regular | FileMode::Executable => {}
            FileMode::Symlink => {
                return Err(unsafe_path("the diff changes a symbolic link", path));
            }
            FileMode::Gitlink => return Err(unsafe_path("the diff changes a submodule", path)),
        }
    }
    Ok(())
}

fn mode(patch: &Text<'_>) -> Option<bool> {
    patch.new_mode().map(|mode| *mode == FileMode::Executable)
}

fn patched(patch: &Text<'_>, old: &[u8], path: &RelPath, limits: TreeLimits) -> Result<Vec<u8>> {
    match patch.patch() {
        PatchKind::Text(text) if text.hunks().is_empty() => Ok(old.to_vec()),
        PatchKind::Text(text) => {
            let old = std::str::from_utf8(old)
                .map_err(|source| conflict("the file is not text", path).source(source))?;
            hunks::apply(old, text.hunks()).map(String::into_bytes).map_err(|mismatch| {
                conflict("the diff does not apply", path)
                    .context("line", mismatch.line)
                    .advice("make the diff again on the current state of the file")
            })
        }
        PatchKind::Binary(binary) => unpacked(binary, old, path, limits),
    }
}

/// A binary patch carries both directions: what it makes of the old content must lead back to it,
/// which is a whole precondition.
fn unpacked(
    binary: &BinaryPatch<'_>,
    old: &[u8],
    path: &RelPath,
    limits: TreeLimits,
) -> Result<Vec<u8>> {
    let BinaryPatch::Full { forward, reverse } = binary else {
        return Err(malformed("the diff leaves a binary file's content out").context("path", path));
    };
    for block in [&forward.data, &reverse.data] {
        refuse_bomb(block, limits).map_err(|error| error.context("path", path))?;
    }
    let failed = |source| conflict("the binary diff does not apply", path).source(source);
    let new = binary.apply(old).map_err(failed)?;
    let back = binary.apply_reverse(&new).map_err(failed)?;
    if back == old { Ok(new) } else { Err(conflict("the binary diff does not apply", path)) }
}

/// Deflate yields at most 1032 bytes for one (zlib's technical notes), and base 85 needs five
/// letters for four bytes: a block cannot unpack to more than that, whatever it says.
fn refuse_bomb(block: &BinaryData<'_>, limits: TreeLimits) -> Result<()> {
    let most = (block.data.len() as u64).saturating_mul(4 * 1032 / 5);
    let cap = limits.max_change_bytes.min(limits.max_file_bytes);
    if block.size > cap || most.min(block.size.saturating_add(1)) > cap.saturating_add(1) {
        return Err(too_large("a binary file in the diff is too large", "max_change_bytes", cap));
    }
    Ok(())
}
