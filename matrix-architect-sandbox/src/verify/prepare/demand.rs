//! What a tree depends on, as its lock files say it.

use std::collections::BTreeMap;

use bytes::Bytes;
use matrix_architect_core::{
    error::Result,
    id::Digest,
    path::RelPath,
    traits::{EntryKind, Tree},
};

use super::{PLACE, files::Files, go, node, python, rust};

/// The most bytes of a manifest or lock file.
const MAX_BYTES: u64 = 32 << 20;

/// The most files that are looked at.
const MAX_FILES: usize = 2000;

/// What is fetched, how, and how the checks find it.
#[derive(Clone, Debug)]
pub(super) struct Demand {
    /// `rust`, `python`, `node` or `go`.
    pub(super) ecosystem: &'static str,
    /// What the fetching session sees.
    pub(super) files: Files,
    /// What decides what is fetched.
    pub(super) lock: Digest,
    /// Whether everything that is fetched is checked against a hash of the lock file. What is not
    /// is fetched anew for every job.
    pub(super) hashed: bool,
    /// The tool, as it tells its version.
    pub(super) probe: &'static [&'static str],
    /// A line for `sh -c`, run in the tree's root, that leaves everything in the folder [`OUT`].
    pub(super) line: String,
    /// Environment of the line.
    pub(super) env: BTreeMap<String, String>,
    pub(super) offer: Offer,
}

/// The folder of the fetching session in which the line leaves what it fetched.
pub(super) const OUT: &str = ".architect-fetched";

/// How checks find what was fetched. `{place}` stands for where that is.
#[derive(Clone, Debug, Default)]
pub(super) struct Offer {
    /// What of the content is shown, and where.
    pub(super) binds: Vec<(&'static str, &'static str)>,
    pub(super) env: Vec<(&'static str, &'static str)>,
    pub(super) path: Vec<&'static str>,
    pub(super) python_path: Vec<&'static str>,
}

impl Demand {
    /// Where its content is shown, if the offer says nothing else.
    pub(super) fn place(&self) -> String {
        format!("{PLACE}/{}", self.ecosystem)
    }
}

/// The manifests, lock files and tool configurations of a tree.
#[derive(Debug, Default)]
pub(super) struct Sources {
    files: BTreeMap<RelPath, Bytes>,
    /// Paths of Rust sources, of which the tools want only to know that they exist.
    pub(super) rust: Vec<RelPath>,
}

impl Sources {
    pub(super) async fn read(tree: &dyn Tree) -> Result<Self> {
        let mut sources = Self::default();
        for entry in tree.list().await? {
            if entry.kind == EntryKind::Symlink || is_vendored(&entry.path) {
                continue;
            }
            let name = entry.path.file_name();
            if has_extension(name, "rs") {
                sources.rust.push(entry.path);
            } else if is_telling(&entry.path)
                && entry.size <= MAX_BYTES
                && sources.files.len() < MAX_FILES
                && let Some(content) = tree.read(&entry.path).await?
            {
                sources.files.insert(entry.path, content);
            }
        }
        Ok(sources)
    }

    /// The text of a file of the root, or of any path.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        let path = RelPath::new(path).ok()?;
        std::str::from_utf8(self.files.get(&path)?).ok()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&RelPath, &Bytes)> {
        self.files.iter()
    }

    /// Files of that name, wherever they are.
    pub(super) fn named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a RelPath, &'a Bytes)> {
        self.files.iter().filter(move |(path, _)| path.file_name() == name)
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| {
            (RelPath::new(*path).unwrap(), Bytes::copy_from_slice(text.as_bytes()))
        };
        Self { files: files.iter().map(file).collect(), rust: Vec::new() }
    }
}

/// Somebody else's projects inside this one.
fn is_vendored(path: &RelPath) -> bool {
    path.components().any(|part| matches!(part, "node_modules" | "vendor" | "target" | ".venv"))
}

pub(super) fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, own)| own == extension)
}

fn is_telling(path: &RelPath) -> bool {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "package.json",
        "package-lock.json",
        "npm-shrinkwrap.json",
        "go.mod",
        "go.sum",
        "go.work",
        "go.work.sum",
        ".npmrc",
    ];
    known.contains(&path.file_name())
        || matches!(path.as_str(), ".cargo/config.toml" | ".cargo/config")
        || python::is_requirements(path)
}

/// What a tree demands. Tool configuration comes from the base alone.
pub(super) fn demands(tree: &Sources, base: &Sources) -> Result<Vec<Demand>> {
    let rust = rust::demand(tree, base)?;
    let all = [rust, python::demand(tree, base), node::demand(tree, base), go::demand(tree)];
    Ok(all.into_iter().flatten().collect())
}

/// The digest of files with their paths.
pub(super) fn lock_digest<'a>(files: impl Iterator<Item = (&'a RelPath, &'a Bytes)>) -> Digest {
    let mut hasher = Digest::hasher();
    for (path, content) in files {
        hasher.update(format!("{}\0{}\0", path.as_str(), content.len()));
        hasher.update(content);
    }
    hasher.finish()
}
