//! Writes a commit's files into a directory of ours, and copies plain folders.

use std::{collections::VecDeque, sync::Arc};

use matrix_architect_core::{Error, error::Result, id::GitOid, path::RelPath};

use super::{
    DirTree, Scratch, TreeLimits,
    beneath::{Beneath, TreeWriter},
    copy::copy,
    fault::{fault, unsafe_path},
    limits::Budget,
    links::Links,
    names::refuse_git_folder,
    objects::{ItemMode, Kind, Objects, PLAIN_CAP, TreeItem, items},
    walk::walk,
};

/// The longest target of a link that a Linux kernel takes.
const LINK_CAP: u64 = 4096;

/// A copy of a plain folder, without any of Git's own folders.
pub(super) fn copy_folder(
    scratch: &Arc<Scratch>,
    folder: &Beneath,
    limits: TreeLimits,
) -> Result<DirTree> {
    let entries = walk(folder)?;
    for entry in &entries {
        refuse_git_folder(&entry.path)?;
    }
    let directory = scratch.directory()?;
    let mut writer = TreeWriter::new(Beneath::open(directory.path().to_owned())?);
    let mut links = Links::default();
    copy(folder, &mut writer, entries.iter(), &mut Budget::new(limits), &mut links)?;
    make_links(&mut writer, &links)?;
    DirTree::owned(directory)
}

/// Makes the links, once all files are written and all links lead to where they may.
pub(super) fn make_links(writer: &mut TreeWriter, links: &Links) -> Result<()> {
    links.check()?;
    for (path, target) in links.iter() {
        writer
            .link(path, target.as_bytes())
            .map_err(|source| fault(source, "cannot make the symbolic link", path))?;
    }
    Ok(())
}

/// A submodule met in a tree.
#[derive(Debug)]
pub(super) struct Submodule {
    /// Where it belongs in the tree that is written.
    pub(super) path: RelPath,
    /// Its commit.
    pub(super) commit: GitOid,
}

/// Writes trees beneath one directory.
#[derive(Debug)]
pub(super) struct TreeCheckout {
    writer: TreeWriter,
    budget: Budget,
    links: Links,
    /// Submodules that were met and not written.
    pub(super) submodules: Vec<Submodule>,
}

/// What was asked for, with the path it belongs to.
struct Wanted {
    path: RelPath,
    mode: ItemMode,
    oid: GitOid,
}

impl TreeCheckout {
    pub(super) fn new(root: Arc<Beneath>, limits: TreeLimits) -> Self {
        Self {
            writer: TreeWriter::new(root),
            budget: Budget::new(limits),
            links: Links::default(),
            submodules: Vec::new(),
        }
    }

    /// Writes the tree `oid` under `prefix`, or at the root.
    pub(super) fn write(
        &mut self,
        objects: &mut Objects,
        oid: &GitOid,
        prefix: Option<&RelPath>,
    ) -> Result<()> {
        let mut todo = VecDeque::new();
        self.queue(objects.tree(oid)?, prefix, &mut todo)?;
        let mut asked = VecDeque::new();
        loop {
            while objects.has_room() {
                let Some(next) = todo.pop_front() else { break };
                objects.ask(next.oid.clone())?;
                asked.push_back(next);
            }
            let Some(wanted) = asked.pop_front() else { return Ok(()) };
            self.take(objects, wanted, &mut todo)?;
        }
    }

    /// Makes the links; the last thing to be done.
    pub(super) fn finish(mut self) -> Result<()> {
        make_links(&mut self.writer, &self.links)
    }

    fn queue(
        &mut self,
        items: Vec<TreeItem>,
        folder: Option<&RelPath>,
        todo: &mut VecDeque<Wanted>,
    ) -> Result<()> {
        for item in items {
            let path = join(folder, &item.name)?;
            refuse_git_folder(&path)?;
            // Folders count as well: a few nested trees can name billions of them.
            self.budget.entry()?;
            if item.mode == ItemMode::Submodule {
                self.submodules.push(Submodule { path, commit: item.oid });
            } else {
                todo.push_back(Wanted { path, mode: item.mode, oid: item.oid });
            }
        }
        Ok(())
    }

    fn take(
        &mut self,
        objects: &mut Objects,
        wanted: Wanted,
        todo: &mut VecDeque<Wanted>,
    ) -> Result<()> {
        let object = objects.answer()?;
        let Wanted { path, mode, oid } = wanted;
        match mode {
            ItemMode::Folder => {
                let content = objects.content(&object, Kind::Tree, PLAIN_CAP)?;
                self.queue(items(&content, &oid)?, Some(&path), todo)
            }
            ItemMode::Symlink => {
                let target = objects.content(&object, Kind::Blob, LINK_CAP)?;
                self.budget.bytes(object.size)?;
                self.links.insert(path, &target)
            }
            ItemMode::File { executable } => {
                if object.kind != Kind::Blob {
                    return Err(Error::invalid("a file's object is no file").context("path", path));
                }
                self.budget.bytes(object.size)?;
                let mut file = self
                    .writer
                    .file(&path, executable)
                    .map_err(|source| fault(source, "cannot write the file", &path))?;
                objects.copy(&object, &mut file)
            }
            ItemMode::Submodule => Ok(()),
        }
    }
}

/// The tree of a subfolder.
pub(super) fn descend(objects: &mut Objects, root: GitOid, folder: &RelPath) -> Result<GitOid> {
    let mut oid = root;
    for name in folder.components() {
        let items = objects.tree(&oid)?;
        let found = items
            .into_iter()
            .find(|item| item.mode == ItemMode::Folder && item.name == name.as_bytes());
        oid = found.map(|item| item.oid).ok_or_else(|| no_subfolder(folder))?;
    }
    Ok(oid)
}

pub(super) fn no_subfolder(folder: &RelPath) -> Error {
    Error::not_found("the repository has no such folder")
        .code("subfolder_not_found")
        .context("subfolder", folder)
        .advice("name a folder of the commit that is checked out")
}

fn join(folder: Option<&RelPath>, name: &[u8]) -> Result<RelPath> {
    let text = std::str::from_utf8(name).map_err(|source| {
        unsafe_path("a file's name in the repository is not UTF-8", name.escape_ascii())
            .source(source)
    })?;
    if text.contains('/') {
        return Err(unsafe_path("a name in the repository has a slash", text.escape_debug()));
    }
    let path = match folder {
        Some(folder) => RelPath::new(format!("{folder}/{text}")),
        None => RelPath::new(text),
    };
    path.map_err(|source| {
        unsafe_path("a path in the repository cannot be used", text.escape_debug()).source(source)
    })
}
