//! Where the code is, made of what the requester wrote, and nothing dangerous in it.

use std::path::{Path, PathBuf};

use matrix_architect_core::{
    Error, ErrorKind, error::Result, path::RelPath, plan::RepoSpec, secret::SecretRef,
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

/// A URL git may be given.
#[derive(Clone, Debug)]
pub(super) struct RemoteUrl {
    pub(super) text: String,
    pub(super) scheme: &'static str,
    /// With the port, if any; empty for `file`.
    pub(super) host: String,
}

impl Source {
    pub(super) fn of(spec: &RepoSpec, allow_http: bool) -> Result<Self> {
        match spec {
            RepoSpec::Github { owner, repo, .. } => {
                let url = format!("https://github.com/{}/{}", plain(owner)?, plain(repo)?);
                let url = RemoteUrl::parse(&url, allow_http)?;
                Ok(Self::Remote { url, credentials: None, submodules: false })
            }
            RepoSpec::Local { path, .. } => local(Path::new(path)),
            RepoSpec::Git { url, credentials, submodules, .. } => Ok(Self::Remote {
                url: RemoteUrl::parse(url, allow_http)?,
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

impl RemoteUrl {
    /// Takes `https://`, `ssh://`, `file://`, `user@host:path` and, if allowed, `http://`.
    pub(super) fn parse(text: &str, allow_http: bool) -> Result<Self> {
        // The text is not repeated where it may hold a password.
        let wrong = |message| Error::invalid(message).context("field", "url");
        if text.len() > 2048 || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("the URL is too long or has spaces"));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Self::scp(text);
        };
        let scheme = match scheme {
            "https" => "https",
            "ssh" => "ssh",
            "file" => "file",
            "http" if allow_http => "http",
            "http" => {
                return Err(Error::new(ErrorKind::Denied, "unencrypted http is not allowed")
                    .advice("use https, or allow http in the workspace's configuration"));
            }
            _ => {
                return Err(wrong("the URL's scheme is not supported")
                    .advice("use https://, ssh:// or file://"));
            }
        };
        let (authority, _) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let user_legal = user.is_none_or(|user| scheme == "ssh" && !user.contains(':'));
        if !user_legal {
            return Err(Error::new(ErrorKind::Denied, "the URL holds credentials")
                .code("credentials_in_url")
                .advice("take them out of the URL and name a secret instead"));
        }
        // A host that begins with '-' would be an option of ssh.
        if host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) {
            return Err(wrong("the URL's host is not legal"));
        }
        if host.is_empty() != (scheme == "file") {
            return Err(wrong("the URL's host is missing, or a file URL has one"));
        }
        Ok(Self { text: text.to_owned(), scheme, host: host.to_owned() })
    }

    /// `user@host:path`, as ssh users write it.
    fn scp(text: &str) -> Result<Self> {
        let parts = text.split_once(':').and_then(|(host, path)| {
            let (user, host) = host.rsplit_once('@')?;
            let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
            let legal =
                |part: &str| !part.is_empty() && !part.starts_with('-') && part.chars().all(name);
            (legal(user) && legal(host) && !path.is_empty() && !path.starts_with('-'))
                .then_some(host)
        });
        match parts {
            Some(host) => Ok(Self { text: text.to_owned(), scheme: "ssh", host: host.to_owned() }),
            None => Err(Error::invalid("not a URL of a repository")
                .context("field", "url")
                .advice("use https://, ssh:// or file://, or name a local folder as one")),
        }
    }

    /// The URL of a submodule, which may be relative to its parent's (gitmodules(5)).
    pub(super) fn join(&self, url: &str, allow_http: bool) -> Result<Self> {
        if !url.starts_with("./") && !url.starts_with("../") {
            let joined = Self::parse(url, allow_http)?;
            // A remote repository has no word on this machine's files.
            if joined.scheme == "file" && self.scheme != "file" {
                return Err(Error::new(ErrorKind::Denied, "the submodule is on this machine")
                    .context("url", url));
            }
            return Ok(joined);
        }
        let mut base = self.text.trim_end_matches('/');
        let mut rest = url;
        loop {
            if let Some(after) = rest.strip_prefix("./") {
                rest = after;
            } else if let Some(after) = rest.strip_prefix("../") {
                rest = after;
                let cut = base.rfind(['/', ':']).filter(|cut| !base[..*cut].ends_with(['/', ':']));
                base = cut.map(|cut| &base[..cut]).ok_or_else(|| {
                    Error::invalid("the submodule's URL leads above its host").context("url", url)
                })?;
            } else {
                return Self::parse(&format!("{base}/{rest}"), allow_http);
            }
        }
    }
}

/// A folder within the repository, as the requester named it.
pub(super) fn subfolder(spec: &RepoSpec) -> Result<Option<&RelPath>> {
    let folder = spec.subfolder();
    if let Some(folder) = folder {
        super::names::refuse_git_folder(folder)?;
    }
    Ok(folder)
}
