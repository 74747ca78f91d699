//! Reads a tar archive that somebody hostile may have written.
//!
//! Stricter than the tar library's own iterator, of which only the header's fields are used: a
//! missing end is an error, extension headers are capped, and every kind of entry that is not a
//! file, a folder or a symbolic link is refused (POSIX pax, IEEE 1003.1; and GNU long names).

use std::io::{self, Read, Write};

use matrix_architect_core::{
    Error,
    error::{ErrorKind, Result},
    path::RelPath,
};
use tar::{EntryType, Header, PaxExtensions};

use super::fault::{fault, unsafe_path};

const BLOCK: u64 = 512;
/// A path and a link target of 4096 bytes each fit many times over.
const EXTENSION_CAP: u64 = 64 * 1024;

/// One member, before its content.
#[derive(Debug)]
pub(crate) struct Member {
    /// As written, without a leading `./`.
    path: String,
    pub(crate) kind: MemberKind,
}

impl Member {
    /// Its path in the tree; `None` for the tree itself.
    pub(crate) fn tree_path(&self) -> Result<Option<RelPath>> {
        let is_folder = matches!(self.kind, MemberKind::Folder);
        if is_folder && matches!(self.path.as_str(), "" | "." | "./") {
            return Ok(None);
        }
        let text = if is_folder { self.path.trim_end_matches('/') } else { &self.path };
        RelPath::new(text).map(Some).map_err(|source| {
            unsafe_path("a path in the archive leaves the tree", text.escape_debug()).source(source)
        })
    }
}

#[derive(Debug)]
pub(crate) enum MemberKind {
    Folder,
    File { executable: bool, size: u64 },
    Symlink { target: Vec<u8> },
}

/// What extension headers said about the next member.
#[derive(Debug, Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
}

/// An archive being read from front to back.
#[derive(Debug)]
pub(crate) struct Archive<R> {
    reader: R,
}

impl<R: Read> Archive<R> {
    pub(crate) const fn new(reader: R) -> Self {
        Self { reader }
    }

    /// The next member. The content of a file must be taken with [`copy`](Self::copy) before.
    pub(crate) fn next(&mut self) -> Result<Option<Member>> {
        let mut extensions = Extensions::default();
        while let Some(header) = self.header()? {
            let size = header.entry_size().map_err(|source| broken("size").source(source))?;
            match header.entry_type() {
                EntryType::XHeader => self.pax(size, &mut extensions)?,
                EntryType::XGlobalHeader => drop(self.extension(size)?),
                EntryType::GNULongName => extensions.path = Some(trimmed(self.extension(size)?)),
                EntryType::GNULongLink => extensions.target = Some(trimmed(self.extension(size)?)),
                _ => return member(&header, size, extensions).map(Some),
            }
        }
        Ok(None)
    }

    /// Copies a file's content of `size` bytes.
    pub(crate) fn copy(&mut self, size: u64, to: &mut impl Write) -> io::Result<()> {
        let copied = io::copy(&mut self.reader.by_ref().take(size), to)?;
        if copied < size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let padding = (BLOCK - size % BLOCK) % BLOCK;
        let skipped = io::copy(&mut self.reader.by_ref().take(padding), &mut io::sink())?;
        if skipped < padding { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The next header; `None` at the two empty blocks that end an archive.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut block = self.block()?;
        if block.iter().all(|byte| *byte == 0) {
            block = self.block()?;
            if block.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            return Err(broken("end"));
        }
        let header = Header::from_byte_slice(&block);
        let sum: u32 = block[..148].iter().chain(&block[156..]).map(|byte| u32::from(*byte)).sum();
        if header.cksum().ok() != Some(sum + 8 * u32::from(b' ')) {
            return Err(broken("checksum"));
        }
        Ok(Some(header.clone()))
    }

    fn block(&mut self) -> Result<[u8; 512]> {
        let mut block = [0; 512];
        self.reader.read_exact(&mut block).map_err(cut)?;
        Ok(block)
    }

    fn extension(&mut self, size: u64) -> Result<Vec<u8>> {
        if size > EXTENSION_CAP {
            return Err(broken("extension header").code("too_large"));
        }
        let mut bytes = Vec::new();
        self.copy(size, &mut bytes).map_err(cut)?;
        Ok(bytes)
    }

    fn pax(&mut self, size: u64, extensions: &mut Extensions) -> Result<()> {
        let bytes = self.extension(size)?;
        for record in PaxExtensions::new(&bytes) {
            let record = record.map_err(|source| broken("pax header").source(source))?;
            match record.key_bytes() {
                b"path" => extensions.path = Some(record.value_bytes().to_vec()),
                b"linkpath" => extensions.target = Some(record.value_bytes().to_vec()),
                // Readers disagree on which size counts; no member is too large for its own header.
                b"size" => return Err(broken("pax size")),
                key if key.starts_with(b"GNU.sparse") => return Err(broken("sparse file")),
                // Times, owners and comments are no part of a tree.
                _ => {}
            }
        }
        Ok(())
    }
}

fn member(header: &Header, size: u64, extensions: Extensions) -> Result<Member> {
    let raw = extensions.path.unwrap_or_else(|| header.path_bytes().into_owned());
    let path = String::from_utf8(raw).map_err(|source| {
        unsafe_path("a path in the archive is not UTF-8", source.as_bytes().escape_ascii())
    })?;
    let path = path.strip_prefix("./").unwrap_or(&path).to_owned();
    let kind = match header.entry_type() {
        // Before POSIX a folder was a file whose name ends so.
        EntryType::Regular if path.ends_with('/') && size == 0 => MemberKind::Folder,
        EntryType::Regular | EntryType::Continuous => {
            MemberKind::File { executable: header.mode().is_ok_and(|mode| mode & 0o100 != 0), size }
        }
        EntryType::Directory => MemberKind::Folder,
        EntryType::Symlink => {
            let target = extensions.target.or_else(|| header.link_name_bytes().map(Into::into));
            MemberKind::Symlink { target: target.unwrap_or_default() }
        }
        EntryType::Link => return Err(unsafe_path("a hard link in the archive", path)),
        _ => return Err(unsafe_path("neither file, folder nor link in the archive", path)),
    };
    if size > 0 && !matches!(kind, MemberKind::File { .. }) {
        return Err(broken("size"));
    }
    Ok(Member { path, kind })
}

/// Without the NUL that GNU tar puts at the end.
fn trimmed(mut name: Vec<u8>) -> Vec<u8> {
    if name.last() == Some(&0) {
        name.pop();
    }
    name
}

fn broken(what: &'static str) -> Error {
    Error::new(ErrorKind::Invalid, "the archive is malformed")
        .code("malformed_archive")
        .context("at", what)
}

/// The error of reading the archive itself.
pub(crate) fn cut(source: io::Error) -> Error {
    if source.kind() == io::ErrorKind::UnexpectedEof {
        return broken("end").advice("the archive was cut; fetch it again");
    }
    fault(source, "cannot read the archive", "-")
}
