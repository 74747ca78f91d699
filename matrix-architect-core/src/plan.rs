//! What is to change, where, and how each step is checked.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    canonical,
    error::{Error, Result},
    id::{Digest, GitOid},
    path::RelPath,
    userinfo,
};

/// Where the code comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum RepoSpec {
    /// A repository on GitHub.
    Github {
        /// The account.
        owner: String,
        /// The repository.
        repo: String,
        /// Branch, tag or commit; the default branch if absent.
        #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        /// A folder of the repository that is the project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subfolder: Option<RelPath>,
    },
    /// A directory on the worker's machine: a Git repository, or a plain folder.
    Local {
        /// The directory.
        path: String,
        /// Branch, tag or commit; what is checked out if absent.
        #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        /// A folder of the repository that is the project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subfolder: Option<RelPath>,
    },
    /// Any repository Git can reach.
    Git {
        /// The URL; credentials in it are refused.
        url: String,
        /// Branch, tag or commit; the remote's HEAD if absent.
        #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<String>,
        /// A folder of the repository that is the project.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subfolder: Option<RelPath>,
        /// The secret that lets git in: `user:password` or a token for https, a private key for ssh. It
        /// is sent to this URL's host and port and to no other.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials: Option<crate::secret::SecretRef>,
        /// Whether submodules are checked out too.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        submodules: bool,
    },
}

impl RepoSpec {
    /// The branch, tag or commit asked for.
    pub fn reference(&self) -> Option<&str> {
        match self {
            Self::Github { reference, .. }
            | Self::Local { reference, .. }
            | Self::Git { reference, .. } => reference.as_deref(),
        }
    }

    /// The folder of the repository that is the project.
    pub const fn subfolder(&self) -> Option<&RelPath> {
        match self {
            Self::Github { subfolder, .. }
            | Self::Local { subfolder, .. }
            | Self::Git { subfolder, .. } => subfolder.as_ref(),
        }
    }

    /// Whether the URL itself holds a user or a password that would be stored and shown. The user
    /// of an ssh URL is part of its address.
    pub fn has_credentials(&self) -> bool {
        let Self::Git { url, .. } = self else { return false };
        let Some((scheme, rest)) = url.split_once("://") else { return false };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        userinfo::is_in(scheme, authority)
    }

    /// The repository as a URI, for evidence; never with credentials.
    pub fn uri(&self) -> String {
        match self {
            Self::Github { owner, repo, .. } => format!("git+https://github.com/{owner}/{repo}"),
            Self::Local { path, .. } => format!("file://{path}"),
            Self::Git { url, .. } => format!("git+{url}"),
        }
    }
}

/// What the requester handed in: a plan, a diff or a branch. PLAN resolves each of them to a
/// [`Plan`] on a base commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// A plan, by a person or a planner.
    Plan(Box<Plan>),
    /// A unified diff as `git diff` prints it.
    Diff(String),
    /// A branch of the same repository; the change is what it adds since the merge base.
    Branch(String),
    /// Only a goal: a [`Planner`](crate::traits::Planner) makes the plan.
    Goal,
}

/// A structured plan: steps, each with file operations and commands that check it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What the change is for.
    #[serde(default)]
    pub goal: String,
    /// What it does, in a sentence.
    #[serde(default)]
    pub summary: String,
    /// The steps in order.
    pub steps: Vec<Step>,
    /// Anything a planner wants kept with the plan; it is hashed with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Value>,
}

/// One step of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The step's name within the plan.
    pub id: String,
    /// What it does.
    #[serde(default)]
    pub title: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rationale: String,
    /// The file operations in order.
    #[serde(default)]
    pub ops: Vec<FileOp>,
    /// Commands run in the sandbox after the step's operations, each by `sh -c`. They only add
    /// checks and can never replace one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify: Vec<String>,
}

/// What is done with one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOpKind {
    /// The file must not exist and is created.
    Create,
    /// The file exists and gets new content.
    #[default]
    Update,
    /// The file exists and is removed.
    Delete,
    /// The file at `from` moves to `path`, with new content if there is any.
    Rename,
}

/// How `content` is written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As UTF-8 text.
    #[default]
    Utf8,
    /// As standard base 64 with padding.
    Base64,
}

/// One operation on one file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileOp {
    /// What is done.
    pub op: FileOpKind,
    /// To which file. Text here; it becomes a [`RelPath`] before anything is touched.
    pub path: String,
    /// The whole new content, for create and update and optionally for rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// How `content` is written down.
    #[serde(default, skip_serializing_if = "is_default")]
    pub encoding: Encoding,
    /// The old path of a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Whether the file is executable afterwards; unchanged (or not, for a new file) if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub executable: Option<bool>,
    /// What the file must be before the operation; PLAN fills it from the base commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Precondition>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl FileOp {
    /// The new content as bytes.
    ///
    /// # Errors
    /// `Invalid` if `content` says it is base 64 and is not.
    pub fn bytes(&self) -> Result<Option<Vec<u8>>> {
        use base64::Engine as _;
        let Some(content) = &self.content else { return Ok(None) };
        match self.encoding {
            Encoding::Utf8 => Ok(Some(content.clone().into_bytes())),
            Encoding::Base64 => base64::engine::general_purpose::STANDARD
                .decode(content)
                .map(Some)
                .map_err(|source| {
                    Error::invalid("the content is not base 64")
                        .context("path", &self.path)
                        .source(source)
                }),
        }
    }
}

/// What a file must be before an operation touches it. Fuzz is zero: anything else is a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precondition {
    /// The file does not exist.
    Absent,
    /// The file has this content.
    Sha256(Digest),
}

impl Plan {
    /// The digest of the plan's canonical JSON ([RFC 8785](https://www.rfc-editor.org/rfc/rfc8785)).
    ///
    /// # Errors
    /// `Invalid` if the plan's metadata has a number that JSON cannot write.
    pub fn hash(&self) -> Result<Digest> {
        canonical::digest(self)
    }

    /// All file operations in order.
    pub fn operations(&self) -> impl Iterator<Item = &FileOp> {
        self.steps.iter().flat_map(|step| &step.ops)
    }

    /// Checks what can be checked without the repository: at least one operation, unique step ids,
    /// legal paths, content where the operation needs it and only there.
    ///
    /// # Errors
    /// `Invalid`, naming the step and the operation.
    pub fn validate(&self) -> Result<()> {
        let mut seen = std::collections::BTreeSet::new();
        for step in &self.steps {
            if step.id.is_empty() || step.id.len() > 128 || !seen.insert(&step.id) {
                return Err(Error::invalid("a step's id is empty, too long or used twice")
                    .context("step", step.id.escape_debug().take(140).collect::<String>()));
            }
            for op in &step.ops {
                op.validate().map_err(|error| error.context("step", &step.id))?;
            }
        }
        if self.operations().next().is_none() {
            return Err(Error::invalid("the plan changes nothing")
                .code("empty_plan")
                .advice("give at least one step with at least one operation"));
        }
        Ok(())
    }
}

impl FileOp {
    /// The operation with new content: as text if it is UTF-8, else in base 64.
    #[must_use]
    pub fn with_bytes(mut self, content: Vec<u8>) -> Self {
        use base64::Engine as _;
        (self.content, self.encoding) = match String::from_utf8(content) {
            Ok(text) => (Some(text), Encoding::Utf8),
            Err(error) => {
                let text = base64::engine::general_purpose::STANDARD.encode(error.as_bytes());
                (Some(text), Encoding::Base64)
            }
        };
        self
    }

    fn validate(&self) -> Result<()> {
        RelPath::new(self.path.as_str())?;
        self.bytes()?;
        let wrong = |message| Err(Error::invalid(message).context("path", &self.path));
        if let Some(from) = &self.from {
            RelPath::new(from.as_str())?;
        }
        match (self.op, &self.content, &self.from) {
            (FileOpKind::Create | FileOpKind::Update, None, _) => {
                wrong("the operation needs content")
            }
            (FileOpKind::Delete, Some(_), _) => wrong("a delete takes no content"),
            (FileOpKind::Rename, _, None) => wrong("a rename needs 'from'"),
            (FileOpKind::Create | FileOpKind::Update | FileOpKind::Delete, _, Some(_)) => {
                wrong("only a rename takes 'from'")
            }
            _ => Ok(()),
        }
    }
}

/// The state of the code a plan stands on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The commit; absent for a plain folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<GitOid>,
    /// The branch the reference named, if it named one: the target of a later comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The digest of the packed source tree, which is also its artifact.
    pub tree: Digest,
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.commit {
            Some(commit) => f.write_str(commit.short()),
            None => write!(f, "tree {}", &self.tree.hex()[..12]),
        }
    }
}

/// How a step went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepStatus {
    /// Not begun.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// Applied and all its commands passed.
    Completed,
    /// A command failed.
    Failed,
    /// Not run because an earlier step failed.
    Skipped,
}

/// How one step of the plan was carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepExecution {
    /// Which step.
    pub step_id: String,
    /// How it went.
    pub status: StepStatus,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<crate::time::Timestamp>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<crate::time::Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Names of artifacts it left.
    #[serde(default)]
    pub artifacts: Vec<String>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_credentials_is_told_from_one_without() {
        let git = |url: &str| RepoSpec::Git {
            url: url.to_owned(),
            reference: None,
            subfolder: None,
            credentials: None,
            submodules: false,
        };
        for url in [
            "https://u:p@h/r",
            "https://token@h/r",
            "HTTPS://token@h/r",
            "Git+Https://token@h/r",
            "ssh://u:p@h/r",
            "http://a@b:1@h/",
        ] {
            assert!(git(url).has_credentials(), "{url}");
        }
        for url in ["https://h/r@1", "ssh://git@h/r", "git@h:r", "file:///srv/a@b", "https://h?a@b"]
        {
            assert!(!git(url).has_credentials(), "{url}");
        }
    }
}
