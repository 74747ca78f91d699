//! Reads git's objects through one `git cat-file --batch` and checks each against its name.
//!
//! Trees are walked here and not by git's own checkout, so that no attribute, filter, line-ending
//! rule or hook has a say in what a file holds; and the names are computed again, so that a
//! repository cannot pass other content off under a commit's name.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write},
};

use matrix_architect_core::{
    Error,
    error::Result,
    id::{GitOid, hex},
};
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use tokio::process::Child;

use super::{fault::fault, refs::no_such_ref};

/// Requests in the pipe at once: 512 names of 65 bytes stay below a pipe's 64 KiB, so that we
/// never wait for git to read while it waits for us.
const WINDOW: usize = 512;
/// A tree or commit beyond this is no honest one.
pub(super) const PLAIN_CAP: u64 = 64 << 20;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blob,
    Tree,
    Commit,
    Tag,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Tree => "tree",
            Self::Commit => "commit",
            Self::Tag => "tag",
        }
    }
}

/// The two ends of a `git cat-file --batch`.
#[derive(Debug)]
pub(super) struct Objects {
    requests: File,
    answers: BufReader<File>,
    asked: VecDeque<GitOid>,
}

/// An object's header; its content comes next.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) oid: GitOid,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

impl Objects {
    pub(super) fn of(child: &mut Child) -> Result<Self> {
        let failed = |source| fault(source, "cannot talk to git", "-");
        let closed = || failed(io::ErrorKind::BrokenPipe.into());
        let requests = child.stdin.take().ok_or_else(closed)?.into_owned_fd().map_err(failed)?;
        let answers = child.stdout.take().ok_or_else(closed)?.into_owned_fd().map_err(failed)?;
        Ok(Self {
            requests: requests.into(),
            answers: BufReader::with_capacity(1 << 16, answers.into()),
            asked: VecDeque::new(),
        })
    }

    /// Whether another request fits.
    pub(super) fn has_room(&self) -> bool {
        self.asked.len() < WINDOW
    }

    /// Asks for an object. Answers come in the order of the requests.
    pub(super) fn ask(&mut self, oid: GitOid) -> Result<()> {
        self.requests
            .write_all(format!("{oid}\n").as_bytes())
            .map_err(|source| fault(source, "cannot talk to git", "-"))?;
        self.asked.push_back(oid);
        Ok(())
    }

    /// The header of the next answer.
    pub(super) fn answer(&mut self) -> Result<Object> {
        let oid = self.asked.pop_front().ok_or_else(|| Error::unexpected("nothing was asked"))?;
        let line = self.line()?;
        let mut parts = line.split(' ');
        let (name, kind, size) = (parts.next(), parts.next(), parts.next());
        let kind = match kind {
            Some("blob") => Kind::Blob,
            Some("tree") => Kind::Tree,
            Some("commit") => Kind::Commit,
            Some("tag") => Kind::Tag,
            _ => return Err(absent(&oid)),
        };
        let size = size.and_then(|size| size.parse().ok());
        match size {
            Some(size) if name == Some(oid.as_str()) => Ok(Object { oid, kind, size }),
            _ => Err(Error::unexpected("git answered something else").context("object", &oid)),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = Vec::new();
        let read = (&mut self.answers).take(1024).read_until(b'\n', &mut line);
        read.map_err(|source| fault(source, "cannot talk to git", "-"))?;
        if line.pop() != Some(b'\n') {
            return Err(Error::unexpected("git stopped while it was asked for objects"));
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// The content of the object just answered, if it is of `kind` and no larger than `cap`.
    pub(super) fn content(&mut self, object: &Object, kind: Kind, cap: u64) -> Result<Vec<u8>> {
        if object.kind != kind {
            return Err(Error::invalid("the object is of another kind")
                .context("object", &object.oid)
                .context("kind", object.kind.name()));
        }
        if object.size > cap {
            return Err(super::limits::too_large("an object is too large", "object", object.size));
        }
        let mut content = Vec::new();
        self.copy(object, &mut content)?;
        Ok(content)
    }

    /// Copies the content of the object just answered and checks it against its name.
    pub(super) fn copy(&mut self, object: &Object, to: &mut impl Write) -> Result<()> {
        let mut hasher = Hasher::for_name(&object.oid);
        hasher.update(format!("{} {}\0", object.kind.name(), object.size).as_bytes());
        let mut left = object.size;
        while left > 0 {
            let failed = |source| fault(source, "cannot copy an object", &object.oid);
            let piece = self.answers.fill_buf().map_err(failed)?;
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            if count == 0 {
                return Err(failed(io::ErrorKind::UnexpectedEof.into()));
            }
            hasher.update(&piece[..count]);
            to.write_all(&piece[..count]).map_err(failed)?;
            self.answers.consume(count);
            left -= count as u64;
        }
        self.line()?;
        if hasher.finish() == object.oid.as_str() {
            return Ok(());
        }
        Err(Error::invalid("the repository holds other content than an object's name says")
            .code("corrupt_repository")
            .context("object", &object.oid)
            .advice("run git fsck there"))
    }

    /// The tree of a commit or of the tag on one, with that commit.
    pub(super) fn root(&mut self, oid: &GitOid) -> Result<(GitOid, GitOid)> {
        let mut oid = oid.clone();
        // A tag of a tag of a tag: nobody nests them deeper.
        for _ in 0..8 {
            self.ask(oid.clone())?;
            let object = self.answer()?;
            match object.kind {
                Kind::Commit => {
                    let content = self.content(&object, Kind::Commit, PLAIN_CAP)?;
                    return Ok((oid, named(&content, "tree ")?));
                }
                Kind::Tag => {
                    let content = self.content(&object, Kind::Tag, PLAIN_CAP)?;
                    oid = named(&content, "object ")?;
                }
                Kind::Blob | Kind::Tree => break,
            }
        }
        Err(Error::invalid("the reference names no commit").context("object", oid))
    }

    /// The entries of a tree.
    pub(super) fn tree(&mut self, oid: &GitOid) -> Result<Vec<TreeItem>> {
        self.ask(oid.clone())?;
        let object = self.answer()?;
        let content = self.content(&object, Kind::Tree, PLAIN_CAP)?;
        items(&content, oid)
    }
}

/// The object that the first line of a commit or tag names.
fn named(content: &[u8], field: &str) -> Result<GitOid> {
    let line = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let name = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix(field));
    GitOid::new(name.unwrap_or_default())
}

fn absent(oid: &GitOid) -> Error {
    no_such_ref(oid.as_str()).context("missing", "the object is not in the repository")
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeItem {
    pub(super) name: Vec<u8>,
    pub(super) mode: ItemMode,
    pub(super) oid: GitOid,
}

/// What a tree says of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ItemMode {
    Folder,
    File { executable: bool },
    Symlink,
    Submodule,
}

/// Parses `mode SP name NUL oid`, repeated.
pub(super) fn items(content: &[u8], tree: &GitOid) -> Result<Vec<TreeItem>> {
    let oid_length = tree.as_str().len() / 2;
    let mut items = Vec::new();
    let mut rest = content;
    while !rest.is_empty() {
        let (item, after) = item(rest, oid_length)
            .ok_or_else(|| Error::invalid("the tree is malformed").context("object", tree))?;
        items.push(item);
        rest = after;
    }
    Ok(items)
}

fn item(content: &[u8], oid_length: usize) -> Option<(TreeItem, &[u8])> {
    let space = content.iter().position(|byte| *byte == b' ')?;
    let (mode, rest) = (&content[..space], &content[space + 1..]);
    let nul = rest.iter().position(|byte| *byte == 0)?;
    let (name, rest) = (&rest[..nul], &rest[nul + 1..]);
    let (oid, rest) = rest.split_at_checked(oid_length)?;
    let mode = match mode {
        b"40000" | b"040000" => ItemMode::Folder,
        b"120000" => ItemMode::Symlink,
        b"160000" => ItemMode::Submodule,
        b"100755" => ItemMode::File { executable: true },
        // Old repositories also have group-writable files.
        b"100644" | b"100664" => ItemMode::File { executable: false },
        _ => return None,
    };
    let oid = GitOid::new(hex(oid)).ok()?;
    Some((TreeItem { name: name.to_vec(), mode, oid }, rest))
}

enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    fn for_name(oid: &GitOid) -> Self {
        if oid.as_str().len() == 64 { Self::Sha256(Sha256::new()) } else { Self::Sha1(Sha1::new()) }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hasher) => hasher.update(bytes),
            Self::Sha256(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> String {
        match self {
            Self::Sha1(hasher) => hex(&hasher.finalize()),
            Self::Sha256(hasher) => hex(&hasher.finalize()),
        }
    }
}
