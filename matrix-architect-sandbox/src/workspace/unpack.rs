//! Unpacks an archive into a directory of its own under the rules for hostile input.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    sync::Arc,
};

use matrix_architect_core::{Error, error::Result, path::RelPath, traits::ByteStream};

use super::{
    DirTree, Scratch, TreeLimits,
    archive::{Archive, Member, MemberKind, cut},
    beneath::{Beneath, TreeWriter},
    fault::fault,
    incoming::read_by_thread,
    limits::Budget,
    links::Links,
    names::refuse_git_folder,
};

/// Unpacks a tar archive into a new directory of `scratch`, which goes with the tree.
///
/// The archive may come from anybody, such as a command that ran in a sandbox. Symbolic links are
/// made last, so that nothing is ever written through one.
///
/// # Errors
/// `Denied` with code `unsafe_path` for absolute paths, `..`, hard links, devices, links that leave
/// the tree and Git's own folder in any spelling; `Invalid` with code `duplicate_entry`,
/// `too_large` or `malformed_archive`; or whatever the stream meets. Nothing is left of it then.
///
/// ```
/// use matrix_architect_core::traits::Tree;
/// use matrix_architect_sandbox::workspace::{DirTree, Scratch, TreeLimits, unpack};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// # let source = tempfile::tempdir().unwrap();
/// # let root = tempfile::tempdir().unwrap();
/// # std::fs::write(source.path().join("hello.txt"), "hello").unwrap();
/// let packed = DirTree::open(source.path())?.pack().await?;
/// let scratch = Scratch::open(root.path())?;
/// let tree = unpack(&scratch, packed, &TreeLimits::default()).await?;
/// assert_eq!(tree.list().await?[0].path.as_str(), "hello.txt");
/// # Ok::<(), matrix_architect_core::Error>(())
/// # }).unwrap();
/// ```
pub async fn unpack(
    scratch: &Arc<Scratch>,
    packed: ByteStream,
    limits: &TreeLimits,
) -> Result<DirTree> {
    let (scratch, limits) = (Arc::clone(scratch), *limits);
    let unpacked = read_by_thread(packed, move |packed| {
        let directory = scratch.directory()?;
        let root = Beneath::open(directory.path().to_owned())?;
        Unpacking::new(root, limits).run(packed)?;
        DirTree::owned(directory)
    });
    unpacked.await.map_err(|error| error.operation("workspace.unpack"))
}

struct Unpacking {
    writer: TreeWriter,
    budget: Budget,
    links: Links,
    seen: BTreeSet<RelPath>,
}

impl Unpacking {
    fn new(root: Arc<Beneath>, limits: TreeLimits) -> Self {
        Self {
            writer: TreeWriter::new(root),
            budget: Budget::new(limits),
            links: Links::default(),
            seen: BTreeSet::new(),
        }
    }

    fn run(mut self, packed: impl Read) -> Result<()> {
        let mut archive = Archive::new(packed);
        while let Some(member) = archive.next()? {
            self.take(&mut archive, member)?;
        }
        self.links.check()?;
        for (path, target) in self.links.iter() {
            self.writer.link(path, target.as_bytes()).map_err(|source| clash(source, path))?;
        }
        Ok(())
    }

    fn take(&mut self, archive: &mut Archive<impl Read>, member: Member) -> Result<()> {
        let Some(path) = member.tree_path()? else { return Ok(()) };
        refuse_git_folder(&path)?;
        match member.kind {
            // Folders are implied by the paths in them; an empty one costs an entry all the same.
            MemberKind::Folder => self.budget.charge(0),
            MemberKind::File { executable, size } => {
                self.charge(&path, size)?;
                let mut file =
                    self.writer.file(&path, executable).map_err(|source| clash(source, &path))?;
                archive.copy(size, &mut file).map_err(|source| match source.kind() {
                    io::ErrorKind::UnexpectedEof => cut(source),
                    _ => fault(source, "cannot write the file", &path),
                })
            }
            MemberKind::Symlink { target } => {
                self.charge(&path, target.len() as u64)?;
                self.links.insert(path, &target)
            }
        }
    }

    fn charge(&mut self, path: &RelPath, size: u64) -> Result<()> {
        self.budget.charge(size)?;
        if self.seen.insert(path.clone()) {
            return Ok(());
        }
        Err(duplicate(path))
    }
}

/// A path that cannot be made because another entry of the archive is in its way.
fn clash(source: io::Error, path: &RelPath) -> Error {
    match source.kind() {
        io::ErrorKind::AlreadyExists
        | io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory => duplicate(path).source(source),
        _ => fault(source, "cannot write the file", path),
    }
}

fn duplicate(path: &RelPath) -> Error {
    Error::invalid("two entries of the archive claim the same path")
        .code("duplicate_entry")
        .context("path", path)
}
