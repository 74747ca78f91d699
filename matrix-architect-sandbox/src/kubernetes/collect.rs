//! Takes files out of the tree, as an archive.
//!
//! Names and content come from a Pod whose every byte was made by commands, `tar` included. The
//! list is matched here, the archive is read entry by entry and written anew under the same rules
//! as in every other sandbox, and nothing is unpacked.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use futures_util::{StreamExt as _, stream};
use globset::GlobSet;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{ByteStream, Collect, OutputStream},
};
use tar::EntryType;
use tokio::{io::AsyncWriteExt as _, sync::OwnedMutexGuard};

use super::{
    cluster::Cluster,
    exec::{Buffers, Exchanged, Exec, cut},
    script,
    session::{Alive, KubernetesSession},
};
use crate::common::{
    Allowance, Member, Packed, Unfinished, file_stream, header, is_wanted, members, parts,
    patterns, too_large, tree_path,
};

/// Bytes of the list of names at most.
const NAMES: u64 = 256 << 20;
/// Bytes of one name at most; many times what a path may have.
const NAME: usize = 64 << 10;

/// The archive of what is named; the session's turn is kept until it has been read or dropped.
pub(super) async fn collect(session: &KubernetesSession, what: &Collect) -> Result<ByteStream> {
    let globs = patterns(&what.patterns)
        .map_err(|cause| Error::invalid("what is to be collected is no pattern").source(cause))?;
    let (turn, unfinished) = session.turn().await?;
    let collecting = Collecting {
        cluster: session.cluster().clone(),
        pod: session.pod().to_owned(),
        what: what.clone(),
        globs,
        unfinished,
        _turn: turn,
    };
    let read = stream::once(collecting.run()).flat_map(|collected| match collected {
        Ok(archive) => file_stream(archive).left_stream(),
        Err(error) => stream::iter([Err(error)]).right_stream(),
    });
    Ok(ByteStream::new(read))
}

struct Collecting {
    cluster: Cluster,
    pod: String,
    what: Collect,
    globs: GlobSet,
    unfinished: Unfinished<Alive>,
    _turn: OwnedMutexGuard<()>,
}

impl Collecting {
    async fn run(self) -> Result<File> {
        let collected = self.archive().await;
        // What was too much or wrong leaves the session as it was; what broke off does not.
        match &collected {
            Err(error) if error.kind() != ErrorKind::Invalid => drop(self.unfinished),
            _ => self.unfinished.finish(),
        }
        collected
    }

    async fn archive(&self) -> Result<File> {
        let names = self.names().await?;
        let packed = if names.is_empty() { spool()? } else { self.packed(&names).await? };
        let (what, globs) = (self.what.clone(), self.globs.clone());
        let rewriting = tokio::task::spawn_blocking(move || rewrite(packed, &what, &globs));
        rewriting
            .await
            .map_err(|cause| Error::unexpected("an archive could not be read").source(cause))?
    }

    /// The names that a pattern means, each followed by a NUL byte.
    async fn names(&self) -> Result<Vec<u8>> {
        let parts = parts(&self.what.patterns);
        if parts.is_empty() {
            return Ok(Vec::new());
        }
        let mut exec = Exec::start(&self.cluster, &self.pod, &script::find(&parts)).await?;
        let (mut buffers, mut rest, mut count, mut read) = (Buffers::default(), Vec::new(), 0, 0);
        let mut names = Vec::new();
        while let Some((stream, length)) = exec.read(&mut buffers).await {
            if stream != OutputStream::Stdout {
                continue;
            }
            read += length as u64;
            if read > NAMES {
                return Err(too_large("bytes of names", NAMES));
            }
            rest.extend_from_slice(buffers.of(stream, length));
            while let Some(end) = rest.iter().position(|byte| *byte == 0) {
                let name: Vec<u8> = rest.drain(..=end).collect();
                if inside(&name[..end]).is_some_and(|path| is_wanted(&self.globs, &path)) {
                    count += 1;
                    names.extend_from_slice(&name);
                }
            }
            if rest.len() > NAME {
                return Err(too_large("bytes of a name", NAME as u64));
            }
            if count > self.what.max_entries {
                return Err(too_large("entries", self.what.max_entries));
            }
        }
        exec.code().await.ok_or_else(cut)?;
        Ok(names)
    }

    /// What the Pod packs of the names, in a file without a name.
    async fn packed(&self, names: &[u8]) -> Result<File> {
        let mut exec = Exec::start(&self.cluster, &self.pod, &script::pack(names.len())).await?;
        let mut file = tokio::fs::File::from_std(spool()?);
        let mut buffers = Buffers::default();
        // Headers, long names and padding, beside the content itself.
        let cap = self
            .what
            .max_bytes
            .saturating_add(self.what.max_entries.saturating_mul(3072))
            .saturating_add(1 << 20);
        let (mut left, mut names) = (cap, names);
        // What arrives meanwhile goes into the file at once: a Pod may say much before it reads.
        while !names.is_empty() {
            match exec.exchange(names, &mut buffers).await? {
                Exchanged::Taken(count) => names = &names[count..],
                Exchanged::Said(OutputStream::Stdout, length) => {
                    let bytes = buffers.of(OutputStream::Stdout, length);
                    left = keep(&mut file, bytes, left, self.what.max_bytes).await?;
                }
                Exchanged::Said(..) => {}
            }
        }
        while let Some((stream, length)) = exec.read(&mut buffers).await {
            if stream == OutputStream::Stdout {
                left =
                    keep(&mut file, buffers.of(stream, length), left, self.what.max_bytes).await?;
            }
        }
        exec.code().await.ok_or_else(cut)?;
        file.flush().await.map_err(no_space)?;
        Ok(file.into_std().await)
    }
}

async fn keep(file: &mut tokio::fs::File, bytes: &[u8], left: u64, cap: u64) -> Result<u64> {
    let left = left.checked_sub(bytes.len() as u64).ok_or_else(|| too_large("bytes", cap))?;
    file.write_all(bytes).await.map_err(no_space)?;
    Ok(left)
}

/// Reads an archive that anybody could have made and writes the one that was asked for.
fn rewrite(mut packed: File, what: &Collect, globs: &GlobSet) -> Result<File> {
    packed.rewind().map_err(no_space)?;
    let mut archive = tar::Archive::new(BufReader::with_capacity(256 << 10, packed));
    // Many names are packed by more than one tar, one after the other.
    archive.set_ignore_zeros(true);
    let mut kept =
        Kept { allowance: Allowance::of(what), content: spool()?, end: 0, found: BTreeMap::new() };
    for member in members(&mut archive).map_err(hostile)? {
        let mut member = member.map_err(hostile)?;
        let Some(path) = inside(&member.path()) else { continue };
        if is_wanted(globs, &path) && !kept.found.contains_key(&path) {
            kept.take(path, &mut member)?;
        }
    }
    kept.write()
}

/// What is taken out.
#[derive(Clone, Debug)]
enum Found {
    /// A file, whose content is kept from a place on.
    File { at: u64, size: u64, executable: bool },
    /// A symbolic link.
    Link(String),
}

/// What was taken of an archive so far.
struct Kept<'a> {
    allowance: Allowance<'a>,
    content: File,
    end: u64,
    found: BTreeMap<PathBuf, Found>,
}

impl Kept<'_> {
    fn take<R: Read>(&mut self, path: PathBuf, member: &mut Member<'_, R>) -> Result<()> {
        let found = match Packed::of(&path, member) {
            Some(Packed::File { size, executable }) => {
                let at = self.end;
                self.allowance.bytes(size)?;
                self.end += io::copy(member, &mut self.content).map_err(hostile)?;
                if self.end - at != size {
                    return Err(hostile(io::ErrorKind::UnexpectedEof.into()));
                }
                Found::File { at, size, executable }
            }
            Some(Packed::Link(target)) => Found::Link(target),
            // It has the content of the first, which has come before it.
            Some(Packed::Second(first)) => {
                let first = inside(&first).and_then(|first| self.found.get(&first)).cloned();
                let Some(first) = first else { return Ok(()) };
                if let Found::File { size, .. } = first {
                    self.allowance.bytes(size)?;
                }
                first
            }
            None => return Ok(()),
        };
        self.allowance.entry()?;
        self.found.insert(path, found);
        Ok(())
    }

    /// The archive, in the order of the names.
    fn write(mut self) -> Result<File> {
        let mut writer = tar::Builder::new(BufWriter::with_capacity(256 << 10, spool()?));
        for (path, found) in &self.found {
            let written = match found {
                Found::File { at, size, executable } => {
                    self.content.seek(SeekFrom::Start(*at)).map_err(no_space)?;
                    let mut header = header(EntryType::Regular, *executable);
                    header.set_size(*size);
                    writer.append_data(&mut header, path, (&self.content).take(*size))
                }
                Found::Link(target) => {
                    writer.append_link(&mut header(EntryType::Symlink, false), path, target)
                }
            };
            written.map_err(no_space)?;
        }
        let file = writer.into_inner().and_then(|buffer| buffer.into_inner().map_err(Into::into));
        let mut file = file.map_err(no_space)?;
        file.rewind().map_err(no_space)?;
        Ok(file)
    }
}

/// The path in the tree of a name that `find` or `tar` says; `None` for what is no path of a tree.
fn inside(name: &[u8]) -> Option<PathBuf> {
    let name = str::from_utf8(name).ok()?;
    tree_path(Path::new(name.strip_prefix("./").unwrap_or(name)))
}

/// A file without a name.
fn spool() -> Result<File> {
    tempfile::tempfile().map_err(no_space)
}

fn no_space(cause: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "an archive cannot be kept")
        .source(cause)
        .advice("make room in the server's temporary folder")
}

fn hostile(cause: io::Error) -> Error {
    Error::invalid("what the Pod packed is no archive").code("no_archive").source(cause)
}

#[cfg(test)]
#[path = "collect/tests.rs"]
mod tests;
