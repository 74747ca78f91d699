//! The suites: which checks a project of a kind gets without saying anything. What a project is,
//! is read from the base tree alone.

pub(super) mod go;
pub(super) mod node;
pub(super) mod python;
pub(super) mod rust;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use bytes::Bytes;
use matrix_architect_core::{error::Result, path::RelPath, traits::Tree};
use serde::{Deserialize, Serialize};

/// A suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Suite {
    /// Cargo: `rust.fmt`, `rust.clippy`, `rust.build`, `rust.test`.
    Rust,
    /// Python: `python.ruff`, `python.format`, `python.test`, `python.build`.
    Python,
    /// Node: `node.eslint`, `node.types`, `node.build`, `node.test`.
    Node,
    /// Go: `go.fmt`, `go.vet`, `go.build`, `go.test`.
    Go,
}

impl Suite {
    /// The suites of a base tree, by the files in its root.
    pub(super) fn detect(base: &Base) -> Vec<Self> {
        let mut suites = Vec::new();
        if base.has("Cargo.toml") {
            suites.push(Self::Rust);
        }
        if ["pyproject.toml", "setup.py", "setup.cfg"].iter().any(|file| base.has(file)) {
            suites.push(Self::Python);
        }
        if base.has("package.json") {
            suites.push(Self::Node);
        }
        if base.has("go.mod") {
            suites.push(Self::Go);
        }
        suites
    }
}

/// What is known of the base tree: its paths, and the few files that say what it is.
#[derive(Clone, Debug, Default)]
pub(super) struct Base {
    paths: BTreeSet<String>,
    files: std::collections::BTreeMap<String, Bytes>,
}

/// Files that are read to know what a project is.
const TELLING: [&str; 6] =
    ["pyproject.toml", "setup.cfg", "tox.ini", "pytest.ini", "setup.py", "package.json"];

impl Base {
    pub(super) async fn read(tree: &dyn Tree) -> Result<Self> {
        let paths: BTreeSet<String> =
            tree.list().await?.into_iter().map(|entry| entry.path.into()).collect();
        let mut files = std::collections::BTreeMap::new();
        for name in TELLING.iter().filter(|name| paths.contains(**name)) {
            if let Some(bytes) = tree.read(&RelPath::new(*name)?).await? {
                files.insert((*name).to_owned(), bytes);
            }
        }
        Ok(Self { paths, files })
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.paths.contains(path)
    }

    /// Whether any path is in that folder.
    pub(super) fn has_folder(&self, folder: &str) -> bool {
        let prefix = format!("{folder}/");
        self.paths.range(prefix.clone()..).next().is_some_and(|path| path.starts_with(&prefix))
    }

    pub(super) fn any(&self, test: impl Fn(&str) -> bool) -> bool {
        self.paths.iter().any(|path| test(path))
    }

    /// The text of a telling file; empty if there is none.
    pub(super) fn text(&self, name: &str) -> String {
        self.files
            .get(name)
            .map_or_else(String::new, |bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            paths: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
            files: files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), Bytes::from((*text).to_owned())))
                .collect(),
        }
    }
}
