//! Takes files out of the tree, as an archive.
//!
//! The engine packs what it is asked for; what it packs was made by commands and is hostile. It is
//! read entry by entry and written anew under the same rules as in every other sandbox. Nothing is
//! unpacked. No command runs while the engine reads and services are held still, so no name changes
//! its meaning under way, and a folder is asked for only after each folder above it was seen to be
//! one and no link.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::{Path, PathBuf},
};

use bollard::{
    Docker,
    errors::Error as EngineError,
    query_parameters::{ContainerArchiveInfoOptionsBuilder, DownloadFromContainerOptionsBuilder},
};
use globset::GlobSet;
use matrix_architect_core::{
    error::{Error, Result},
    traits::{ByteStream, Collect},
};
use tar::EntryType;
use tokio::runtime::Handle;

use super::{
    fault::{fault, is_absent},
    pulled::Pulled,
    session::DockerSession,
    shape::SPACE,
    still::Still,
};
use crate::{
    common::{Allowance, Member, Packed, header, is_wanted, members, parts, patterns, tree_path},
    workspace::{Pieces, written},
};

/// The archive of what is named; the session's turn is kept until it has been read or dropped.
pub(super) async fn collect(session: &DockerSession, what: &Collect) -> Result<ByteStream> {
    let globs = patterns(&what.patterns)
        .map_err(|cause| Error::invalid("what is to be collected is no pattern").source(cause))?;
    let (turn, unfinished) = session.turn().await?;
    let (space, shared) = (session.space()?, std::sync::Arc::clone(&session.shared));
    let docker = shared.maker().engine.docker.clone();
    let running = session.services(|all| {
        let running = all.iter().filter(|one| one.is_running());
        running.map(|one| one.container.clone()).collect::<Vec<_>>()
    })?;
    let still = match Still::hold(&docker, running).await {
        Ok(still) => still,
        Err(error) => {
            unfinished.finish();
            return Err(error);
        }
    };
    let source = Source { docker, container: space.holder.id.clone(), handle: Handle::current() };
    let what = what.clone();
    Ok(written(move |pieces| {
        let collected = Collecting::new(&source, &what, &globs, pieces).run();
        let released = source.handle.block_on(still.release());
        unfinished.finish();
        // The space in particular: the engine must not lose it before its last file is read.
        drop((turn, space, shared));
        collected.and(released)
    }))
}

/// The tree on the engine.
#[derive(Debug)]
struct Source {
    docker: Docker,
    container: String,
    handle: Handle,
}

impl Source {
    fn path(path: &str) -> String {
        if path.is_empty() { format!("{SPACE}/tree") } else { format!("{SPACE}/tree/{path}") }
    }

    /// Whether there is a path whose folders are all folders.
    fn is_reachable(&self, path: &str) -> Result<bool> {
        for folder in path.match_indices('/').map(|(end, _)| &path[..end]) {
            if self.mode(folder)?.is_none_or(|mode| mode & GO_DIRECTORY == 0) {
                return Ok(false);
            }
        }
        Ok(path.is_empty() || self.mode(path)?.is_some())
    }

    /// What is at a path, without following it, as Go's `FileMode` says it.
    fn mode(&self, path: &str) -> Result<Option<u32>> {
        let path = Self::path(path);
        let options = ContainerArchiveInfoOptionsBuilder::default().path(&path).build();
        let asked = self.docker.get_container_archive_info(&self.container, Some(options));
        match self.handle.block_on(asked) {
            Ok(found) => Ok(Some(found.file_mode)),
            Err(cause) if is_absent(&cause) => Ok(None),
            Err(cause) => Err(broken(cause)),
        }
    }

    /// What the engine packs of a path.
    fn packed(&self, path: &str) -> Pulled<EngineError> {
        let options =
            DownloadFromContainerOptionsBuilder::default().path(&Self::path(path)).build();
        let stream = self.docker.download_from_container(&self.container, Some(options));
        Pulled::by(self.handle.clone(), stream)
    }
}

/// Go's `os.ModeDir`.
const GO_DIRECTORY: u32 = 1 << 31;

fn broken(cause: EngineError) -> Error {
    fault("files could not be taken out of a container", cause)
}

/// An archive on its way out.
struct Collecting<'a> {
    source: &'a Source,
    what: &'a Collect,
    globs: &'a GlobSet,
    writer: tar::Builder<&'a mut Pieces>,
    /// What was taken: parts of the tree that overlap are asked for more than once.
    taken: BTreeSet<PathBuf>,
    /// Second names of files, whose content the engine packed under the first.
    linked: BTreeSet<PathBuf>,
    /// Whether what is asked for now was counted as a second name.
    are_counted: bool,
    allowance: Allowance<'a>,
}

impl<'a> Collecting<'a> {
    fn new(
        source: &'a Source,
        what: &'a Collect,
        globs: &'a GlobSet,
        pieces: &'a mut Pieces,
    ) -> Self {
        Self {
            source,
            what,
            globs,
            writer: tar::Builder::new(pieces),
            taken: BTreeSet::new(),
            linked: BTreeSet::new(),
            are_counted: false,
            allowance: Allowance::of(what),
        }
    }

    fn run(mut self) -> Result<()> {
        for part in parts(&self.what.patterns) {
            if self.source.is_reachable(&part)? {
                self.part(&part)?;
            }
        }
        // Asked for by itself, a second name has the content.
        self.are_counted = true;
        for path in std::mem::take(&mut self.linked) {
            self.part(&path.to_string_lossy())?;
        }
        let ended = self.writer.into_inner().and_then(io::Write::flush);
        ended.map_err(cut)
    }

    fn part(&mut self, part: &str) -> Result<()> {
        let above = Path::new(part).parent().unwrap_or_else(|| Path::new(""));
        self.packed(above, part.is_empty(), self.source.packed(part))
    }

    fn packed(&mut self, above: &Path, is_whole: bool, packed: impl Read) -> Result<()> {
        let mut packed = tar::Archive::new(packed);
        for member in members(&mut packed).map_err(cut)? {
            let mut member = member.map_err(cut)?;
            let Some(path) = inside(above, &member.path(), is_whole) else { continue };
            if is_wanted(self.globs, &path) && !self.taken.contains(&path) {
                self.take(&path, &mut member)?;
            }
        }
        Ok(())
    }

    fn take<R: Read>(&mut self, path: &Path, member: &mut Member<'_, R>) -> Result<()> {
        match Packed::of(path, member) {
            Some(Packed::File { size, executable }) => {
                self.count(path)?;
                self.allowance.bytes(size)?;
                let mut header = header(EntryType::Regular, executable);
                header.set_size(size);
                self.writer.append_data(&mut header, path, member).map_err(cut)
            }
            Some(Packed::Link(target)) => {
                self.count(path)?;
                let mut header = header(EntryType::Symlink, false);
                self.writer.append_link(&mut header, path, target).map_err(cut)
            }
            Some(Packed::Second(_)) => {
                if self.linked.insert(path.to_owned()) {
                    self.allowance.entry()
                } else {
                    Ok(())
                }
            }
            None => Ok(()),
        }
    }

    fn count(&mut self, path: &Path) -> Result<()> {
        self.taken.insert(path.to_owned());
        if self.are_counted { Ok(()) } else { self.allowance.entry() }
    }
}

fn cut(cause: io::Error) -> Error {
    match cause.downcast::<EngineError>() {
        Ok(cause) => broken(cause),
        Err(cause) => {
            Error::unexpected("files could not be taken out of a container").source(cause)
        }
    }
}

/// The path in the tree of an entry of what was packed of a part: the engine names entries from
/// the part's own name on. `None` for a name that is no text, or none of a tree.
fn inside(above: &Path, name: &[u8], is_whole: bool) -> Option<PathBuf> {
    let name = Path::new(str::from_utf8(name).ok()?);
    let path = if is_whole { name.strip_prefix("tree").ok()?.to_owned() } else { above.join(name) };
    tree_path(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of an archive of an engine, `what` being asked for.
    async fn of_packed(packed: Vec<u8>, what: Collect) -> Result<()> {
        // Nobody is asked: it has only to be there.
        let docker = Docker::connect_with_socket("/dev/null", 1, bollard::API_DEFAULT_VERSION);
        let (container, handle) = (String::new(), Handle::current());
        let source = Source { docker: docker.unwrap(), container, handle };
        let archive = written(move |pieces| {
            let globs = patterns(&what.patterns).unwrap();
            let mut collecting = Collecting::new(&source, &what, &globs, pieces);
            collecting.packed(Path::new(""), true, &packed[..])
        });
        archive.collect(1 << 20).await.map(drop)
    }

    #[tokio::test]
    async fn second_names_count_when_they_are_first_seen() {
        let mut packed = tar::Builder::new(Vec::new());
        for number in 0..5 {
            let mut link = header(EntryType::Link, false);
            packed.append_link(&mut link, format!("tree/{number}"), "tree/first").unwrap();
        }
        let packed = packed.into_inner().unwrap();
        let mut what = Collect::new(["**"]);
        what.max_entries = 5;
        of_packed(packed.clone(), what.clone()).await.unwrap();
        what.max_entries = 4;
        assert_eq!(of_packed(packed, what).await.unwrap_err().code_str(), "too_large");
    }

    #[test]
    fn entries_are_named_from_the_tree_on() {
        let path = |above: &str, name: &str, is_whole| {
            inside(Path::new(above), name.as_bytes(), is_whole)
                .map(|path| path.display().to_string())
        };
        assert_eq!(path("target/release", "app", false).as_deref(), Some("target/release/app"));
        assert_eq!(path("", "dist/a.whl", false).as_deref(), Some("dist/a.whl"));
        assert_eq!(path("", "tree/a/b", true).as_deref(), Some("a/b"));
        assert_eq!(path("", "tree/", true), None);
        assert_eq!(path("", "dist/../../x", false), None);
        assert_eq!(inside(Path::new(""), b"\xff", false), None);
    }
}
