//! What a job may say about the branch it is published as.

use std::collections::BTreeMap;

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    git::{GitAccess, RemoteUrl},
    job::Job,
    plan::RepoSpec,
    secret::SecretRef,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DRIVER;
use crate::settings;

/// The settings of the `git` publisher.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GitConfig {
    /// The publisher's registered name; `git`.
    pub driver: String,
    /// An absolute path, or a URL without credentials; where the job's code came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// The branch that is made or moved on; `matrix-architect/<job id>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The branch that must still stand where the change was made for; the branch the job named.
    /// Required if it named none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// `user:password` or a token for http and https, a private key for ssh; none, or those of the
    /// job's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<SecretRef>,
    /// `Name <address>`; `Matrix Architect <matrix-architect@localhost>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// The commit's message; the job's goal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl GitConfig {
    /// Reads the settings and checks what they say without a job.
    ///
    /// # Errors
    /// `Invalid` with the field at fault.
    pub(super) fn parse(config: &BTreeMap<String, Value>, access: &GitAccess) -> Result<Self> {
        let config: Self = settings::parse(DRIVER, config)?;
        config.repo.as_deref().map_or(Ok(()), |repo| remote(repo, access).map(drop))?;
        for (field, name) in [("branch", &config.branch), ("base", &config.base)] {
            name.as_deref().map_or(Ok(()), |name| check_branch(field, name))?;
        }
        if config.author.as_deref().is_some_and(|author| !is_author(author)) {
            return Err(wrong("author", "not of the form 'Name <address>'"));
        }
        config.message.as_deref().map_or(Ok(()), check_message)?;
        Ok(config)
    }
}

/// The settings with their defaults for a job.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) remote: RemoteUrl,
    pub(super) branch: String,
    pub(super) base: String,
    pub(super) credentials: Option<SecretRef>,
    pub(super) author: String,
    pub(super) message: String,
}

impl Wanted {
    pub(super) fn parse(
        config: &BTreeMap<String, Value>,
        job: &Job,
        access: &GitAccess,
    ) -> Result<Self> {
        let config = GitConfig::parse(config, access)?;
        let (repo, credentials) = if let Some(repo) = config.repo {
            (repo, config.credentials)
        } else {
            let (repo, own) = source(&job.repo);
            (repo, config.credentials.or(own))
        };
        let remote = remote(&repo, access)?;
        let branch = config.branch.unwrap_or_else(|| format!("matrix-architect/{}", job.id));
        let base = config.base.or_else(|| job.base.as_ref().and_then(|base| base.branch.clone()));
        let base = base.ok_or_else(|| {
            wrong("base", "the job names no branch its change is for").advice("give 'base'")
        })?;
        // What the job says instead.
        check_branch("base", &base)?;
        let author = config.author;
        let author =
            author.unwrap_or_else(|| "Matrix Architect <matrix-architect@localhost>".to_owned());
        let message = config.message.unwrap_or_else(|| job.goal.clone());
        check_message(&message)?;
        Ok(Self { remote, branch, base, credentials, author, message })
    }
}

/// Where the job's code came from, and with which credentials.
fn source(repo: &RepoSpec) -> (String, Option<SecretRef>) {
    match repo {
        RepoSpec::Github { owner, repo, .. } => {
            (format!("https://github.com/{owner}/{repo}"), None)
        }
        RepoSpec::Local { path, .. } => (path.clone(), None),
        RepoSpec::Git { url, credentials, .. } => (url.clone(), credentials.clone()),
    }
}

fn remote(repo: &str, access: &GitAccess) -> Result<RemoteUrl> {
    let url = if repo.starts_with('/') { format!("file://{repo}") } else { repo.to_owned() };
    RemoteUrl::parse(&url, access)
        .map_err(|error| error.context("driver", DRIVER).context("field", "repo"))
}

pub(super) fn wrong(field: &'static str, message: &'static str) -> Error {
    settings::wrong(DRIVER, field, message)
}

pub(super) fn unsupported(message: &'static str) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

fn check_branch(field: &'static str, name: &str) -> Result<()> {
    if is_branch(name) { Ok(()) } else { Err(wrong(field, "not a branch's name")) }
}

fn check_message(message: &str) -> Result<()> {
    if message.trim().is_empty() || message.contains('\0') {
        return Err(wrong("message", "the message is empty or has a NUL character"));
    }
    Ok(())
}

/// Stricter than git-check-ref-format(1): what people name branches.
pub(super) fn is_branch(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+".contains(&byte);
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && std::path::Path::new(part).extension().is_none_or(|end| end != "lock")
    };
    name.len() <= 200
        && name.bytes().all(legal)
        && !name.contains("..")
        && name != "HEAD"
        && name.split('/').all(part)
}

fn is_author(author: &str) -> bool {
    let Some((name, address)) = author.split_once(" <") else { return false };
    let Some(address) = address.strip_suffix('>') else { return false };
    let plain = |text: &str| !text.contains(['<', '>']) && !text.chars().any(char::is_control);
    !name.trim().is_empty() && plain(name) && plain(address)
}
