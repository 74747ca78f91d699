//! Compilers, interpreters and their companions that live outside the system's directories.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use matrix_architect_core::traits::Bind;
use serde::{Deserialize, Serialize};

/// What commands find beside the system's own programs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Toolchains {
    /// Host paths shown inside, read-only. Default: none.
    pub binds: Vec<Bind>,
    /// Directories of programs, before the system's. Default: none.
    pub path: Vec<PathBuf>,
    /// Environment that the toolchains need. Default: none.
    pub env: BTreeMap<String, String>,
}

impl Toolchains {
    /// Shows a host directory at its own place.
    fn show(&mut self, directory: &Path) {
        let covered = self.binds.iter().any(|bind| directory.starts_with(&bind.target));
        if !covered && directory.is_dir() {
            let path = directory.to_path_buf();
            self.binds.push(Bind { source: path.clone(), target: path });
        }
    }

    fn search(&mut self, directory: PathBuf) {
        if directory.is_dir() && !self.path.contains(&directory) {
            self.path.push(directory);
        }
    }
}

/// Finds the roots behind the entries of a `PATH`: rustup's toolchains, pyenv's versions, and
/// prefixes such as Node's, so that they work without the rest of the home they are in.
///
/// Proxies and shims are replaced by what they would choose by default, because they read
/// settings that are not shown and are slow. Of `~/.cargo` only `bin` is shown: its other files may
/// be credentials.
///
/// ```
/// use std::path::Path;
///
/// let found = matrix_architect_sandbox::native::detect_toolchains(
///     Path::new("/nonexistent"),
///     "/usr/bin:/bin".as_ref(),
/// );
/// assert!(found.binds.is_empty(), "the system's directories are always shown");
/// ```
pub fn detect_toolchains(home: &Path, path: &OsStr) -> Toolchains {
    let mut found = Toolchains::default();
    for directory in std::env::split_paths(path) {
        if !directory.is_absolute() || !directory.is_dir() {
            continue;
        }
        if ["/usr", "/bin", "/sbin"].iter().any(|system| directory.starts_with(system)) {
            found.search(directory.clone());
        }
        if directory.join("rustup").is_file() {
            rust(&mut found, home, &directory);
        } else if let Some(root) = pyenv_root(&directory) {
            python(&mut found, &root);
        } else if !["/usr", "/bin", "/sbin"].iter().any(|system| directory.starts_with(system)) {
            prefix(&mut found, home, &directory);
        }
    }
    found
}

/// Rustup's own directory is beside cargo's, hidden like it or not.
fn rust(found: &mut Toolchains, home: &Path, cargo_bin: &Path) {
    let beside = cargo_bin.parent().and_then(Path::parent).unwrap_or(home);
    let candidates = [beside.join(".rustup"), beside.join("rustup"), home.join(".rustup")];
    let Some(root) = candidates.into_iter().find(|root| root.join("toolchains").is_dir()) else {
        found.show(cargo_bin);
        return found.search(cargo_bin.to_path_buf());
    };
    if let Some(toolchain) = default_toolchain(&root) {
        let real = toolchain.canonicalize().unwrap_or_else(|_| toolchain.clone());
        found.show(&real);
        found.search(real.join("bin"));
        let name = toolchain.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.env.insert("RUSTUP_TOOLCHAIN".to_owned(), name);
    }
    found.show(&root);
    found.show(cargo_bin);
    found.search(cargo_bin.to_path_buf());
    found.env.insert("RUSTUP_HOME".to_owned(), root.display().to_string());
}

fn default_toolchain(root: &Path) -> Option<PathBuf> {
    let settings = std::fs::read_to_string(root.join("settings.toml")).ok()?;
    let line = settings.lines().find_map(|line| line.strip_prefix("default_toolchain"))?;
    let name = line.trim_start_matches([' ', '=']).trim().trim_matches('"');
    let toolchains = root.join("toolchains");
    let exact = toolchains.join(name);
    if exact.is_dir() {
        return Some(exact);
    }
    // A short name such as `stable` stands for the one with this machine's triple.
    let mut entries = std::fs::read_dir(toolchains).ok()?.flatten().map(|entry| entry.path());
    entries.find(|entry| {
        entry
            .file_name()
            .is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-")))
    })
}

fn pyenv_root(directory: &Path) -> Option<PathBuf> {
    directory
        .ancestors()
        .find(|root| root.join("versions").is_dir() && root.join("libexec/pyenv").exists())
        .map(Path::to_path_buf)
}

fn python(found: &mut Toolchains, root: &Path) {
    let chosen = std::fs::read_to_string(root.join("version")).unwrap_or_default();
    for version in chosen.split_ascii_whitespace().filter(|version| !version.contains('/')) {
        let prefix = root.join("versions").join(version);
        let real = prefix.canonicalize().unwrap_or_else(|_| prefix.clone());
        found.show(&real);
        found.show(&prefix);
        found.search(prefix.join("bin"));
    }
}

/// A `bin` with a `lib` beside it belongs to one installation, as Node's and Go's do; `~/.local`
/// and the home itself hold other things too.
fn prefix(found: &mut Toolchains, home: &Path, directory: &Path) {
    let shown = directory
        .parent()
        .filter(|prefix| directory.ends_with("bin") && prefix.join("lib").is_dir())
        .filter(|prefix| {
            *prefix != home && !prefix.ends_with(".local") && *prefix != Path::new("/")
        })
        .unwrap_or(directory);
    found.show(shown);
    found.search(directory.to_path_buf());
}
