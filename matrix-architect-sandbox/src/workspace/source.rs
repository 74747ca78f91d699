//! Where the code is, made of what the requester wrote, and nothing dangerous in it.

use std::path::{Path, PathBuf};

use matrix_architect_core::{
    Error,
    error::Result,
    git::{GitAccess, RemoteUrl},
    path::RelPath,
    plan::RepoSpec,
    secret::SecretRef,
};

use super::fault::fault;

/// Where the code is.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A folder that is no repository.
    Folder(PathBuf),
    /// A repository on this machine whose objects are read in place.
    Local(LocalRepository),
    /// A repository that is fetched.
    Remote { url: RemoteUrl, credentials: Option<SecretRef>, submodules: bool },
}

/// A repository on this machine.
#[derive(Clone, Debug)]
pub(super) struct LocalRepository {
    /// What git is told to serve.
    pub(super) path: PathBuf,
    /// Where its `HEAD` is.
    pub(super) folder: PathBuf,
    /// Where its objects are.
    pub(super) objects: PathBuf,
    /// The commits at which its history is cut, if it is a shallow clone.
    pub(super) shallow: PathBuf,
    /// Whether files are checked out beside it.
    pub(super) work_tree: bool,
}

impl Source {
    pub(super) fn of(spec: &RepoSpec, access: &GitAccess) -> Result<Self> {
        match spec {
            RepoSpec::Github { owner, repo, .. } => {
                let url = format!("https://github.com/{}/{}", plain(owner)?, plain(repo)?);
                let url = RemoteUrl::parse(&url, access)?;
                Ok(Self::Remote { url, credentials: None, submodules: false })
            }
            RepoSpec::Local { path, .. } => local(Path::new(path)),
            RepoSpec::Git { url, credentials, submodules, .. } => Ok(Self::Remote {
                url: RemoteUrl::parse(url, access)
                    .map_err(|error| error.context("field", "url"))?,
                credentials: credentials.clone(),
                submodules: *submodules,
            }),
        }
    }
}

fn plain(name: &str) -> Result<&str> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.chars().all(legal) && !name.starts_with(['.', '-']) {
        return Ok(name);
    }
    Err(Error::invalid("not the name of an account or repository")
        .context("name", name.escape_debug().take(100).collect::<String>()))
}

fn local(path: &Path) -> Result<Source> {
    let path = path.canonicalize().map_err(|source| {
        fault(source, "there is no such folder", path.display())
            .code("repository_not_found")
            .advice("name a folder of this machine by its full path")
    })?;
    if !path.is_dir() {
        return Err(Error::invalid("the repository is a file and no folder")
            .code("repository_not_found")
            .context("path", path.display()));
    }
    let dot_git = path.join(".git");
    let (folder, work_tree) = if dot_git.is_dir() {
        (dot_git, true)
    } else if dot_git.is_file() {
        (linked(&path, &dot_git)?, true)
    } else if path.join("HEAD").is_file() && path.join("objects").is_dir() {
        (path.clone(), false)
    } else {
        return Ok(Source::Folder(path));
    };
    // The folder of a further work tree names the one with the objects (gitrepository-layout(5)).
    let common = match std::fs::read_to_string(folder.join("commondir")) {
        Ok(common) => folder.join(common.trim_end()),
        Err(_) => folder.clone(),
    };
    Ok(Source::Local(LocalRepository {
        path,
        folder,
        objects: common.join("objects"),
        shallow: common.join("shallow"),
        work_tree,
    }))
}

/// Where a `.git` file says the repository is.
fn linked(path: &Path, file: &Path) -> Result<PathBuf> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| fault(source, "cannot read the file", file.display()))?;
    let target = text.strip_prefix("gitdir: ").map(str::trim_end).ok_or_else(|| {
        Error::invalid("the .git file names no repository").context("path", file.display())
    })?;
    Ok(path.join(target))
}

/// A folder within the repository, as the requester named it.
pub(super) fn subfolder(spec: &RepoSpec) -> Result<Option<&RelPath>> {
    let folder = spec.subfolder();
    if let Some(folder) = folder {
        super::names::refuse_git_folder(folder)?;
    }
    Ok(folder)
}
