//! The `git` publisher.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    git::{GitAccess, credential},
    id::{Digest, GitOid},
    job::Job,
    release::Publication,
    secret::Scope,
    traits::{Cancel, PublishCapabilities, PublishContext, PublishRequest, Publisher},
};
use serde_json::Value;

use super::{
    DRIVER,
    command::{Git, Reach},
    commit,
    config::{GitConfig, Wanted},
    stream,
};
use crate::{disk, publish::go_on};

/// Publishes the changed tree as a branch; see the [module](super) for how.
///
/// ```
/// use matrix_architect_core::traits::Publisher;
/// use matrix_architect_deploy::publish::GitPublisher;
///
/// assert!(!GitPublisher::new().capabilities().reversible);
/// ```
#[derive(Clone, Debug, Default)]
pub struct GitPublisher {
    access: GitAccess,
}

impl GitPublisher {
    /// A publisher to any repository a job names.
    pub fn new() -> Self {
        Self::default()
    }

    /// How git is run and whom it trusts, if not as by default.
    #[must_use]
    pub fn access(mut self, access: GitAccess) -> Self {
        self.access = access;
        self
    }
}

#[async_trait]
impl Publisher for GitPublisher {
    fn capabilities(&self) -> PublishCapabilities {
        // Whoever has fetched a branch has it.
        PublishCapabilities::new(DRIVER, false)
    }

    fn check(&self, config: &BTreeMap<String, Value>, job: Option<&Job>) -> Result<()> {
        match job.filter(|job| job.base.is_some()) {
            Some(job) => Wanted::parse(config, job, &self.access).map(drop),
            None => GitConfig::parse(config, &self.access).map(drop),
        }
    }

    #[tracing::instrument(name = "publish.git.publish", skip_all, fields(job = %cx.job))]
    async fn publish(
        &self,
        cx: &PublishContext<'_>,
        request: &PublishRequest<'_>,
    ) -> Result<Publication> {
        let wanted = Wanted::parse(request.config, request.job, &self.access)?;
        go_on(cx.cancel)?;
        let base = commit::base_of(request.job)?;
        let reach = Reach { access: &self.access, remote: &wanted.remote };
        let git = Git::new(reach, base.as_str().len(), cx.cancel).await?;
        authenticate(&git, cx, &wanted).await?;
        let commit = commit::make(&git, cx, request, &wanted, &base).await?;
        let publication = |changed| Publication {
            driver: DRIVER.to_owned(),
            uri: format!("git+{}#refs/heads/{}", wanted.remote.uri(), wanted.branch),
            revision: commit.to_string(),
            changed,
            at: cx.clock.now(),
        };
        let tips = tips(&git, &wanted).await?;
        let Some(expected) = expected(&wanted, &tips, &base, &commit)? else {
            return Ok(publication(false));
        };
        let step = format!("publish {DRIVER}/{} {commit}", wanted.branch);
        cx.journal.intend(&step).await?;
        if let Err(error) = push(&git, &wanted, &base, &expected).await
            && !landed(&git, &wanted, &commit, &error).await
        {
            return Err(error);
        }
        cx.journal.done(&step, Digest::of(commit.as_str())).await?;
        cx.log.line(&format!("published as {} at {}", wanted.branch, commit.short()));
        Ok(publication(true))
    }
}

async fn authenticate(git: &Git<'_>, cx: &PublishContext<'_>, wanted: &Wanted) -> Result<()> {
    let Some(reference) = &wanted.credentials else { return Ok(()) };
    let scope = Scope { tenant: cx.job.tenant.clone(), environment: None };
    let secret = cx.secrets.get(&scope, reference).await?;
    let content = credential(&wanted.remote, &secret)
        .map_err(|error| error.context("field", "credentials").context("secret", reference))?;
    disk::create(&git.credentials(), content.expose(), 0o600)
}

/// Where the two branches are.
async fn tips(git: &Git<'_>, wanted: &Wanted) -> Result<BTreeMap<String, GitOid>> {
    let names = [&wanted.base, &wanted.branch].map(|name| format!("refs/heads/{name}"));
    let url = wanted.remote.text();
    let listing = git.run(&["ls-remote", "--refs", url, &names[0], &names[1]]).await?;
    let mut tips = BTreeMap::new();
    for (oid, name) in listing.lines().filter_map(|line| line.split_once('\t')) {
        // A pattern also matches longer names that end with it.
        if let Some(branch) = name.strip_prefix("refs/heads/") {
            tips.insert(branch.to_owned(), GitOid::new(oid)?);
        }
    }
    Ok(tips)
}

/// What the push has to find under the branch's name, empty for nothing; `None` if the commit is
/// there already. The commit stands on the base, so adding it there loses nothing of anybody's.
fn expected(
    wanted: &Wanted,
    tips: &BTreeMap<String, GitOid>,
    base: &GitOid,
    commit: &GitOid,
) -> Result<Option<String>> {
    let tip = tips.get(&wanted.branch);
    if tip == Some(commit) {
        return Ok(None);
    }
    let found = tips.get(&wanted.base);
    if found != Some(base) {
        return Err(commit::moved(wanted, base, found));
    }
    match tip {
        None => Ok(Some(String::new())),
        Some(tip) if tip == base => Ok(Some(tip.to_string())),
        Some(tip) => Err(Error::new(ErrorKind::Conflict, "the branch exists with other content")
            .code("branch_exists")
            .context("branch", &wanted.branch)
            .context("found", tip)
            .advice("publish as another branch; nothing is ever forced")),
    }
}

/// Whether a push that broke off had its effect all the same: it did if the branch is where the push
/// was to bring it. A push that was refused had none.
async fn landed(git: &Git<'_>, wanted: &Wanted, commit: &GitOid, error: &Error) -> bool {
    if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::Denied | ErrorKind::Invalid) {
        return false;
    }
    // Whoever wished to stop wants to know what there is to undo.
    let (never, patience) = (Cancel::new(), Duration::from_secs(30));
    let git = git.until(&never);
    let tips = tokio::time::timeout(patience, tips(&git, wanted)).await;
    matches!(tips, Ok(Ok(tips)) if tips.get(&wanted.branch) == Some(commit))
}

async fn push(git: &Git<'_>, wanted: &Wanted, base: &GitOid, expected: &str) -> Result<()> {
    let lease = format!("--force-with-lease=refs/heads/{}:{expected}", wanted.branch);
    let change = format!("{}:refs/heads/{}", stream::BRANCH, wanted.branch);
    let mut words = vec!["push", "--porcelain", "--no-verify", &lease];
    if wanted.remote.scheme() == "file" {
        // Over there it is we who would run the hooks.
        words.push("--receive-pack=git -c core.hooksPath=/dev/null receive-pack");
    }
    words.extend([wanted.remote.text(), &change]);
    git.run(&words).await.map(drop).map_err(|error| {
        if error.is_conflict() && wanted.branch == wanted.base {
            return commit::moved(wanted, base, None).source(error);
        }
        error
    })
}
