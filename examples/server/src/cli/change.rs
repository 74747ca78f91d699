//! Reading what is to change: the repository and the plan, diff or branch.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use clap::Args;
use matrix_architect_core::{
    error::{Error, Result},
    path::RelPath,
    plan::{Change, Plan, RepoSpec},
    secret::SecretRef,
};

/// Bytes of the largest plan or diff that is read.
const LARGEST: u64 = 64 << 20;

/// The change and where it applies.
#[derive(Debug, Args)]
pub(super) struct ChangeArgs {
    /// Repository: a directory here, or a URL that git can reach
    #[arg(long, value_name = "PATH|URL", default_value = ".")]
    repo: String,
    /// Branch, tag or commit [default: what is checked out, or the remote's HEAD]
    #[arg(long = "ref", value_name = "REF")]
    reference: Option<String>,
    /// Secret that lets git into the repository, as `env://NAME` or `file:///PATH`, never itself
    #[arg(long, value_name = "SECRET")]
    credentials: Option<SecretRef>,
    /// Check out submodules, too; only those on the repository's own server get the credentials
    #[arg(long)]
    submodules: bool,
    /// Folder of the repository that is the project
    #[arg(long, value_name = "DIR")]
    subfolder: Option<String>,
    /// What the change is for [default: the plan's goal, or the change in a few words]
    #[arg(long, value_name = "TEXT")]
    goal: Option<String>,
    #[command(flatten)]
    source: Source,
}

/// Exactly one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// The change as a plan, in JSON or (by its name) in TOML
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The change as a unified diff; - reads standard input
    #[arg(long, value_name = "FILE|-")]
    diff: Option<PathBuf>,
    /// The change as a branch of the same repository
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
}

impl ChangeArgs {
    /// The repository.
    ///
    /// # Errors
    /// `Invalid` if it is neither a directory nor a URL.
    pub(super) fn repo(&self) -> Result<RepoSpec> {
        let reference = self.reference.clone();
        let subfolder = self.subfolder.as_deref().map(RelPath::new).transpose()?;
        if is_url(&self.repo) {
            let url = self.repo.clone();
            return Ok(RepoSpec::Git {
                url,
                reference,
                subfolder,
                credentials: self.credentials.clone(),
                submodules: self.submodules,
            });
        }
        if self.credentials.is_some() || self.submodules {
            return Err(Error::invalid(
                "a folder here needs no credentials and fetches no submodules",
            )
            .context("repo", &self.repo)
            .advice("give --credentials and --submodules with a URL"));
        }
        let path = Path::new(&self.repo);
        let real = path.canonicalize().ok().filter(|real| real.is_dir()).ok_or_else(|| {
            Error::invalid("there is no such repository")
                .context("repo", &self.repo)
                .advice("give --repo a directory that exists, or a URL")
        })?;
        let path = real.into_os_string().into_string().map_err(|_| {
            Error::invalid("the repository's path is not UTF-8").context("repo", &self.repo)
        })?;
        Ok(RepoSpec::Local { path, reference, subfolder })
    }

    /// The change.
    ///
    /// # Errors
    /// `Invalid` if its file cannot be read or understood; for a plan with line and column.
    pub(super) fn change(&self) -> Result<Change> {
        match &self.source {
            Source { plan: Some(path), .. } => Ok(Change::Plan(Box::new(read_plan(path)?))),
            Source { diff: Some(path), .. } => Ok(Change::Diff(read_text("diff", path)?)),
            Source { branch: Some(branch), .. } => Ok(Change::Branch(branch.clone())),
            Source { .. } => Ok(Change::Goal),
        }
    }

    /// What the change is for.
    pub(super) fn goal(&self, change: &Change) -> String {
        let named = |path: &Option<PathBuf>| {
            let name = path.as_deref().and_then(Path::file_name);
            name.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        };
        match (&self.goal, change) {
            (Some(goal), _) => goal.clone(),
            (None, Change::Plan(plan)) if !plan.goal.trim().is_empty() => plan.goal.clone(),
            (None, Change::Plan(_)) => format!("apply {}", named(&self.source.plan)),
            (None, Change::Branch(branch)) => format!("bring in {branch}"),
            (None, _) => format!("apply {}", named(&self.source.diff)),
        }
    }
}

/// Whether the text is something git reaches over the network, and no directory here.
pub(super) fn is_url(text: &str) -> bool {
    // `user@host:path`, unless a directory of that name exists.
    let scp = text.split_once(':').is_some_and(|(host, _)| host.contains('@'));
    text.contains("://") || (scp && !Path::new(text).exists())
}

fn read_plan(path: &Path) -> Result<Plan> {
    let text = read_text("plan", path)?;
    let toml = path.extension().is_some_and(|ending| ending == "toml");
    let read: Result<Plan, String> = if toml {
        toml::from_str(&text).map_err(|cause| crate::home::one_line(&cause.to_string()))
    } else {
        serde_json::from_str(&text).map_err(|cause| cause.to_string())
    };
    let plan = read.map_err(|cause| {
        Error::invalid(format!("the plan is not legible: {cause}"))
            .context("plan", path.display())
            .advice("correct it there")
    })?;
    plan.validate().map_err(|error| error.context("plan", path.display()))?;
    Ok(plan)
}

fn read_text(what: &'static str, path: &Path) -> Result<String> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_string(&mut text))
    };
    let refuse = |message: &'static str| Error::invalid(message).context(what, path.display());
    read.map_err(|cause| {
        let message = match cause.kind() {
            std::io::ErrorKind::NotFound => "there is no such file",
            std::io::ErrorKind::InvalidData => "the file is not UTF-8 text",
            std::io::ErrorKind::IsADirectory => "that is a directory and not a file",
            _ => "the file cannot be read",
        };
        refuse(message).advice("check the path and its permissions").source(cause)
    })?;
    if text.len() as u64 > LARGEST {
        return Err(refuse("the file is larger than 64 MiB").advice("split the change"));
    }
    if text.trim().is_empty() {
        return Err(refuse("the file is empty").advice("give a file that changes something"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_from_a_directory() {
        for url in ["https://example.org/r.git", "ssh://git@host/r", "git@host:r.git"] {
            assert!(is_url(url), "{url}");
        }
        for path in [".", "/srv/repo", "a:b", "../x"] {
            assert!(!is_url(path), "{path}");
        }
    }
}
