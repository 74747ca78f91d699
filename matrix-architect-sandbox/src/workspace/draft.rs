//! A change in the making: every operation is checked against the tree as the operations before it
//! leave it, in memory, before anything is written.

use std::{collections::BTreeMap, os::unix::fs::MetadataExt as _};

use bytes::Bytes;
use matrix_architect_core::{
    Error, ErrorKind,
    error::Result,
    id::Digest,
    path::RelPath,
    plan::{FileOp, FileOpKind, Precondition},
    traits::{EntryKind, Tree, TreeEntry},
};

use super::{
    TreeLimits,
    fault::unsafe_path,
    limits::too_large,
    names::{refuse_device_name, refuse_git_folder},
    spellings::Spellings,
};

/// A file's content and mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) bytes: Bytes,
    pub(super) executable: bool,
}

/// One file that is other than in the base.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) path: RelPath,
    /// Where it came from, if it was renamed.
    pub(super) from: Option<RelPath>,
    pub(super) before: Option<Content>,
    pub(super) after: Option<Content>,
}

/// Whether operations must bring their preconditions along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Preconditions {
    /// They are filled in; those given must hold.
    Filled,
    /// They must be there and hold.
    Required,
}

/// The tree as the operations so far leave it.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    base: &'a dyn Tree,
    limits: TreeLimits,
    preconditions: Preconditions,
    kinds: BTreeMap<RelPath, EntryKind>,
    spellings: Spellings,
    /// What was in the base where the draft is other; `None` if nothing was.
    originals: BTreeMap<RelPath, Option<Content>>,
    written: BTreeMap<RelPath, Content>,
    origins: BTreeMap<RelPath, RelPath>,
    operations: u64,
    bytes: u64,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        base: &'a dyn Tree,
        entries: &[TreeEntry],
        limits: TreeLimits,
        preconditions: Preconditions,
    ) -> Self {
        let mut spellings = Spellings::default();
        for entry in entries {
            spellings.add(&entry.path);
        }
        Self {
            base,
            limits,
            preconditions,
            kinds: entries.iter().map(|entry| (entry.path.clone(), entry.kind)).collect(),
            spellings,
            originals: BTreeMap::new(),
            written: BTreeMap::new(),
            origins: BTreeMap::new(),
            operations: 0,
            bytes: 0,
        }
    }

    /// Takes an operation into the draft and returns it with its precondition.
    pub(super) async fn take(&mut self, op: &FileOp) -> Result<FileOp> {
        if self.preconditions == Preconditions::Required && op.expect.is_none() {
            return Err(Error::invalid("the operation has no precondition")
                .code("unresolved_plan")
                .context("path", op.path.escape_debug())
                .advice("resolve the plan on its base first"));
        }
        let path = RelPath::new(op.path.as_str())?;
        let bytes = op.bytes()?;
        self.charge_operation()?;
        self.charge_bytes(bytes.as_ref().map_or(0, Vec::len))?;
        let found = match op.op {
            FileOpKind::Create => {
                self.refuse_unless_free(&path)?;
                check(op, Precondition::Absent, &path)?;
                let executable = op.executable.unwrap_or(false);
                self.write(&path, content(bytes, executable, None)?);
                Precondition::Absent
            }
            FileOpKind::Update => {
                let (old, found) = self.existing(op, &path).await?;
                let executable = op.executable.unwrap_or(old.executable);
                self.write(&path, content(bytes, executable, None)?);
                found
            }
            FileOpKind::Delete => {
                let (_, found) = self.existing(op, &path).await?;
                self.remove(&path);
                found
            }
            FileOpKind::Rename => self.rename(op, &path, bytes).await?,
        };
        Ok(FileOp { expect: Some(found), ..op.clone() })
    }

    async fn rename(
        &mut self,
        op: &FileOp,
        path: &RelPath,
        bytes: Option<Vec<u8>>,
    ) -> Result<Precondition> {
        let from = RelPath::new(op.from.as_deref().unwrap_or_default())?;
        if from == *path {
            return Err(Error::invalid("the file is renamed to itself").context("path", path));
        }
        let (old, found) = self.existing(op, &from).await?;
        let executable = op.executable.unwrap_or(old.executable);
        let origin = self.origins.get(&from).cloned().unwrap_or_else(|| from.clone());
        self.remove(&from);
        self.refuse_unless_free(path)?;
        self.write(path, content(bytes, executable, Some(old.bytes))?);
        self.origins.insert(path.clone(), origin);
        Ok(found)
    }

    /// The files that are other than in the base, in path order.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let renamed: BTreeMap<&RelPath, &RelPath> = self
            .origins
            .iter()
            .filter(|(to, from)| self.was_moved(to, from))
            .map(|(to, from)| (from, to))
            .collect();
        let mut all = Vec::new();
        for (path, before) in &self.originals {
            let after = self.written.get(path).cloned();
            if *before == after || (after.is_none() && renamed.contains_key(path)) {
                continue;
            }
            let from = self.origins.get(path).filter(|from| renamed.get(from) == Some(&path));
            let before = match from {
                Some(from) => self.originals.get(from).cloned().flatten(),
                None => before.clone(),
            };
            all.push(Difference { path: path.clone(), from: from.cloned(), before, after });
        }
        all
    }

    /// Whether the base has only the one path and the draft only the other.
    fn was_moved(&self, to: &RelPath, from: &RelPath) -> bool {
        matches!(self.originals.get(to), Some(None))
            && matches!(self.originals.get(from), Some(Some(_)))
            && self.written.contains_key(to)
            && !self.written.contains_key(from)
    }

    fn charge_operation(&mut self) -> Result<()> {
        self.operations += 1;
        let limit = self.limits.max_operations;
        if self.operations > limit {
            return Err(too_large("the plan has too many operations", "max_operations", limit));
        }
        Ok(())
    }

    /// Both what is written and what is read for it are held in memory.
    fn charge_bytes(&mut self, bytes: usize) -> Result<()> {
        self.bytes += bytes as u64;
        let limit = self.limits.max_change_bytes;
        if self.bytes > limit {
            return Err(too_large("the plan changes too much", "max_change_bytes", limit));
        }
        Ok(())
    }

    /// The file an operation is about, if it is one and is what the operation expects.
    async fn existing(&mut self, op: &FileOp, path: &RelPath) -> Result<(Content, Precondition)> {
        refuse_git_folder(path)?;
        self.refuse_unreachable(path)?;
        let executable = match self.kinds.get(path) {
            Some(EntryKind::File) => false,
            Some(EntryKind::Executable) => true,
            Some(EntryKind::Symlink) => {
                return Err(unsafe_path("the operation is on a symbolic link", path));
            }
            None if self.spellings.is_folder(path) => {
                return Err(conflict("a folder is where the operation wants a file", path));
            }
            None => return Err(conflict("the file does not exist", path)),
        };
        let bytes = match self.written.get(path) {
            Some(content) => content.bytes.clone(),
            None => self.original(path, executable).await?,
        };
        let found = Precondition::Sha256(Digest::of(&bytes));
        check(op, found, path)?;
        Ok((Content { bytes, executable }, found))
    }

    async fn original(&mut self, path: &RelPath, executable: bool) -> Result<Bytes> {
        if let Some(local) = self.base.local() {
            refuse_shared(local, path)?;
        }
        let bytes = self.base.read(path).await?;
        let bytes = bytes.ok_or_else(|| conflict("the file is gone from the base", path))?;
        self.charge_bytes(bytes.len())?;
        let content = Content { bytes: bytes.clone(), executable };
        self.originals.insert(path.clone(), Some(content));
        Ok(bytes)
    }

    /// Whether a new file may be at a path.
    fn refuse_unless_free(&self, path: &RelPath) -> Result<()> {
        refuse_git_folder(path)?;
        refuse_device_name(path)?;
        self.refuse_unreachable(path)?;
        if self.kinds.contains_key(path) {
            return Err(conflict("the file exists already", path));
        }
        if self.spellings.is_folder(path) {
            return Err(conflict("a folder is where the operation wants a file", path));
        }
        match self.spellings.collision(path) {
            None => Ok(()),
            Some(other) => Err(Error::new(
                ErrorKind::Denied,
                "the path differs from another only in case or normal form",
            )
            .code("colliding_path")
            .context("path", path)
            .context("other", other)
            .advice("use the spelling that is there, or another name")),
        }
    }

    /// Refuses a path that leads through a link or a file.
    fn refuse_unreachable(&self, path: &RelPath) -> Result<()> {
        let text = path.as_str();
        for (cut, _) in text.match_indices('/') {
            let Ok(folder) = RelPath::new(&text[..cut]) else { continue };
            match self.kinds.get(&folder) {
                None => {}
                Some(EntryKind::Symlink) => {
                    return Err(unsafe_path("the path leads through a symbolic link", path)
                        .context("link", folder));
                }
                Some(_) => {
                    return Err(conflict("a file is where the path needs a folder", path)
                        .context("file", folder));
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, path: &RelPath, content: Content) {
        let kind = if content.executable { EntryKind::Executable } else { EntryKind::File };
        if self.kinds.insert(path.clone(), kind).is_none() {
            self.spellings.add(path);
        }
        // A path that is read first has its original already.
        self.originals.entry(path.clone()).or_insert(None);
        self.written.insert(path.clone(), content);
    }

    fn remove(&mut self, path: &RelPath) {
        self.kinds.remove(path);
        self.spellings.remove(path);
        self.written.remove(path);
        self.origins.remove(path);
    }
}

fn check(op: &FileOp, found: Precondition, path: &RelPath) -> Result<()> {
    match op.expect {
        Some(expected) if expected != found => {
            Err(conflict("the file is not what the operation expects", path)
                .context("expected", shown(expected))
                .context("found", shown(found)))
        }
        _ => Ok(()),
    }
}

fn content(bytes: Option<Vec<u8>>, executable: bool, old: Option<Bytes>) -> Result<Content> {
    let bytes = bytes.map(Bytes::from).or(old);
    let bytes = bytes.ok_or_else(|| Error::invalid("the operation needs content"))?;
    Ok(Content { bytes, executable })
}

/// A file with a second name is also somebody else's.
fn refuse_shared(local: &std::path::Path, path: &RelPath) -> Result<()> {
    let status = std::fs::symlink_metadata(local.join(path.as_path()));
    if status.is_ok_and(|status| status.nlink() > 1) {
        return Err(unsafe_path("the file has a second hard link", path));
    }
    Ok(())
}

pub(super) fn conflict(message: &'static str, path: &RelPath) -> Error {
    Error::new(ErrorKind::Conflict, message).code("precondition_failed").context("path", path)
}

fn shown(precondition: Precondition) -> String {
    match precondition {
        Precondition::Absent => "absent".to_owned(),
        Precondition::Sha256(digest) => digest.to_string(),
    }
}
