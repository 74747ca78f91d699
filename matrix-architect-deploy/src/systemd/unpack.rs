//! Unpacking a bundle, which came out of a sandbox and may be hostile.

use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions, Permissions},
    io::{self, Read, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use matrix_architect_core::{
    error::{Error, Result},
    id::Digest,
    path::RelPath,
    traits::Cancel,
};
use tar::{Entry, EntryType};

use super::manifest::{Item, Manifest};
use crate::disk;

/// How much a bundle may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caps {
    pub(super) bytes: u64,
    pub(super) entries: u64,
}

impl Caps {
    /// 8 GiB in 200,000 files.
    pub(super) const DEFAULT: Self = Self { bytes: 8 << 30, entries: 200_000 };
}

/// Unpacks a tar archive into an empty folder nobody else writes to.
///
/// Nothing leaves the folder: paths are plain and relative, nothing is written through a link,
/// nothing is written twice, and a link can only lead to what is inside. Only files, folders and
/// symbolic links are taken; owners, times and special bits are not.
pub(super) fn unpack(
    archive: impl Read,
    into: &Path,
    caps: Caps,
    cancel: &Cancel,
) -> Result<Manifest> {
    let (links, manifest) = (BTreeSet::new(), Manifest::default());
    let mut unpacking = Unpacking { into, left: caps.bytes, links, manifest };
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().map_err(unreadable)?;
    for (count, entry) in entries.enumerate() {
        if cancel.is_cancelled() {
            return Err(super::stopped());
        }
        if count as u64 >= caps.entries {
            return Err(hostile("too many entries").context("cap", caps.entries));
        }
        unpacking.take(entry.map_err(unreadable)?)?;
    }
    Ok(unpacking.manifest)
}

struct Unpacking<'a> {
    into: &'a Path,
    left: u64,
    links: BTreeSet<String>,
    manifest: Manifest,
}

impl Unpacking<'_> {
    fn take(&mut self, mut entry: Entry<'_, impl Read>) -> Result<()> {
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let Some(path) = path_of(&entry, kind)? else { return Ok(()) };
        let item = match kind {
            EntryType::Directory => {
                self.folder(&path)?;
                Item::Folder
            }
            EntryType::Regular | EntryType::Continuous => self.file(&path, &mut entry)?,
            EntryType::Symlink => self.link(&path, &entry)?,
            _ => return Err(hostile("neither a file, a folder nor a symbolic link").at(&path)),
        };
        self.manifest.0.insert(path.as_str().to_owned(), item);
        Ok(())
    }

    /// Makes a folder and those above it, none of which is a link.
    fn folder(&self, path: &RelPath) -> Result<()> {
        let mut place = self.into.to_path_buf();
        let mut so_far = String::new();
        for part in path.components() {
            place.push(part);
            so_far.push_str(if so_far.is_empty() { "" } else { "/" });
            so_far.push_str(part);
            if self.links.contains(&so_far) {
                return Err(hostile("a path through a link").at(path));
            }
            match fs::create_dir(&place) {
                // The umask may have taken bits a service needs.
                Ok(()) => fs::set_permissions(&place, Permissions::from_mode(0o755))
                    .map_err(|e| taken(e, path, &place))?,
                Err(_) if place.is_dir() => {}
                Err(error) => return Err(taken(error, path, &place)),
            }
        }
        Ok(())
    }

    /// Makes the folders above a path.
    fn reach(&self, path: &RelPath) -> Result<()> {
        let parent = path.as_str().rsplit_once('/').map(|(parent, _)| RelPath::new(parent));
        parent.transpose()?.map_or(Ok(()), |parent| self.folder(&parent))
    }

    fn file(&mut self, path: &RelPath, entry: &mut Entry<'_, impl Read>) -> Result<Item> {
        self.reach(path)?;
        let size = entry.size();
        self.left = self.left.checked_sub(size).ok_or_else(|| hostile("too large").at(path))?;
        let executable = entry.header().mode().unwrap_or(0) & 0o111 != 0;
        let target = self.into.join(path.as_path());
        let digest = write(&target, if executable { 0o755 } else { 0o644 }, entry)
            .map_err(|e| taken(e, path, &target))?;
        Ok(Item::File { digest, executable })
    }

    fn link(&mut self, path: &RelPath, entry: &Entry<'_, impl Read>) -> Result<Item> {
        self.reach(path)?;
        let name = entry.link_name_bytes().map(|bytes| String::from_utf8(bytes.into_owned()));
        let Some(Ok(target)) = name else {
            return Err(hostile("a link to nothing readable").at(path));
        };
        if !stays_inside(path, &target) {
            return Err(hostile("a link that leads outside").at(path));
        }
        let place = self.into.join(path.as_path());
        symlink(&target, &place).map_err(|e| taken(e, path, &place))?;
        self.links.insert(path.as_str().to_owned());
        Ok(Item::Link { target })
    }
}

/// The entry's path; `None` for the archive's own root.
fn path_of(entry: &Entry<'_, impl Read>, kind: EntryType) -> Result<Option<RelPath>> {
    let bytes = entry.path_bytes();
    let text = std::str::from_utf8(&bytes).map_err(|_| hostile("a path that is not UTF-8"))?;
    let text = text.strip_prefix("./").unwrap_or(text);
    let is_folder = kind == EntryType::Directory;
    let text = if is_folder { text.strip_suffix('/').unwrap_or(text) } else { text };
    if is_folder && (text.is_empty() || text == ".") {
        return Ok(None);
    }
    let path = RelPath::new(text).map_err(|error| error.operation("systemd.unpack"))?;
    Ok(Some(path))
}

/// Whether a link can only lead to what is inside: some `..` that stay inside, then names. A `..`
/// after a name is refused, because the name may be a link itself and `..` then be anywhere.
fn stays_inside(link: &RelPath, target: &str) -> bool {
    let depth = link.components().count() - 1;
    let parts: Vec<&str> = target.split('/').collect();
    let ups = parts.iter().take_while(|part| **part == "..").count();
    let plain = |part: &&str| !matches!(*part, "" | "." | "..") && !part.contains('\\');
    ups <= depth && target.len() <= 4096 && parts[ups..].iter().all(plain)
}

fn write(path: &Path, mode: u32, content: &mut impl Read) -> io::Result<Digest> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    let mut hasher = Digest::hasher();
    let mut piece = vec![0; 1 << 16];
    loop {
        match content.read(&mut piece)? {
            0 => break,
            count => {
                hasher.update(&piece[..count]);
                file.write_all(&piece[..count])?;
            }
        }
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(hasher.finish())
}

fn taken(error: io::Error, path: &RelPath, target: &Path) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => hostile("the same path twice").at(path),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData => unreadable(error),
        _ => disk::failed(error, "the bundle could not be unpacked", target),
    }
}

fn unreadable(source: io::Error) -> Error {
    Error::invalid("the bundle is not a whole tar archive").code("bad_bundle").source(source)
}

fn hostile(what: &'static str) -> Error {
    Error::invalid(format!("the bundle was refused: {what}")).code("hostile_bundle")
}

trait At {
    fn at(self, path: &RelPath) -> Self;
}

impl At for Error {
    fn at(self, path: &RelPath) -> Self {
        self.context("path", path)
    }
}
