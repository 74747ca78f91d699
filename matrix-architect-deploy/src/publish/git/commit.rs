//! Making the commit in a repository of our own.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufReader, BufWriter, Write as _},
};

use futures_util::StreamExt as _;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::{Digest, GitOid},
    job::Job,
    plan::RepoSpec,
    traits::{PublishContext, PublishRequest},
};

use super::{
    command::Git,
    config::{Wanted, unsupported},
    stream::{self, Commit},
};
use crate::{
    disk::{blocking, failed},
    publish::go_on,
};

/// The name under which the engine records the changed tree.
const TREE: &str = "tree";

/// The commit the change was made for.
pub(super) fn base_of(job: &Job) -> Result<GitOid> {
    let commit = job.base.as_ref().and_then(|base| base.commit.clone());
    commit.ok_or_else(|| {
        unsupported("the change was not made for a commit")
            .code("no_base_commit")
            .advice("publish a plain folder with the 'directory' publisher")
    })
}

/// Fetches the base, and makes the commit on top of it.
pub(super) async fn make(
    git: &Git<'_>,
    cx: &PublishContext<'_>,
    request: &PublishRequest<'_>,
    wanted: &Wanted,
    base: &GitOid,
) -> Result<GitOid> {
    fetch(git, wanted, base).await?;
    let submodules = submodules(git, base, &request.job.repo).await?;
    fetch_tree(git, cx, request.job).await?;
    let message = message(wanted, request);
    let (tree, input) = (git.file("tree.tar"), git.file("stream"));
    let (job, oid, author) = (request.job.clone(), base.clone(), wanted.author.clone());
    let stream = input.clone();
    blocking(move || {
        let commit = Commit {
            base: oid.as_str(),
            author: &author,
            seconds: job.created_at.as_micros().div_euclid(1_000_000),
            message: &message,
            subfolder: job.repo.subfolder(),
            submodules: &submodules,
        };
        let cannot = |e| failed(e, "the commit could not be written", &stream);
        let archive = File::open(&tree).map_err(cannot)?;
        let mut out = BufWriter::new(File::create_new(&stream).map_err(cannot)?);
        stream::write(&commit, BufReader::new(archive), &mut out)?;
        out.flush().map_err(cannot)
    })
    .await?;
    git.run_on(&["fast-import", "--quiet", "--done"], &input).await?;
    GitOid::new(git.run(&["rev-parse", stream::BRANCH]).await?.trim())
}

/// The base with its tree and no history: by its name, or from its branch if the server gives
/// only branches.
async fn fetch(git: &Git<'_>, wanted: &Wanted, base: &GitOid) -> Result<()> {
    let url = wanted.remote.text();
    let shallow = ["fetch", "--quiet", "--no-tags", "--depth=1", url, base.as_str()];
    if let Err(error) = git.run(&shallow).await {
        if error.kind() != ErrorKind::Unexpected && !error.is_not_found() {
            return Err(error);
        }
        let branch = format!("refs/heads/{}", wanted.base);
        git.run(&["fetch", "--quiet", "--no-tags", url, &branch]).await?;
    }
    let object = format!("{base}^{{commit}}");
    git.run(&["cat-file", "-e", &object])
        .await
        .map(drop)
        .map_err(|error| if error.is_cancelled() { error } else { moved(wanted, base, None) })
}

/// The base is not what the change was made for any more.
pub(super) fn moved(wanted: &Wanted, expected: &GitOid, found: Option<&GitOid>) -> Error {
    Error::new(ErrorKind::Conflict, "the base branch has moved since the change was made")
        .code("base_moved")
        .context("branch", &wanted.base)
        .context("expected", expected)
        .context("found", found.map_or("nothing", GitOid::as_str))
        .advice("plan and verify the change again on what is there now")
}

/// The submodules of the project, by path in the repository.
async fn submodules(
    git: &Git<'_>,
    base: &GitOid,
    repo: &RepoSpec,
) -> Result<BTreeMap<String, String>> {
    let mut words = vec!["ls-tree", "-r", "-z", base.as_str()];
    if let Some(folder) = repo.subfolder() {
        words.extend(["--", folder.as_str()]);
    }
    let listing = git.run(&words).await?;
    let entries = listing.split('\0').filter_map(|line| line.split_once('\t'));
    let links = entries.filter_map(|(what, path)| {
        let oid = what.strip_prefix("160000 commit ")?;
        Some((path.to_owned(), oid.to_owned()))
    });
    Ok(links.collect())
}

async fn fetch_tree(git: &Git<'_>, cx: &PublishContext<'_>, job: &Job) -> Result<()> {
    let artifact = job
        .artifact_named(TREE)
        .ok_or_else(|| Error::unexpected("the job recorded no changed tree").code("no_tree"))?;
    let mut content = cx.artifacts.get(&cx.job.tenant, &artifact.checksum, None).await?;
    let path = git.file("tree.tar");
    let cannot = |e| failed(e, "the changed tree could not be stored", &path);
    let mut file = File::create_new(&path).map_err(cannot)?;
    let mut hasher = Digest::hasher();
    while let Some(piece) = content.next().await {
        go_on(cx.cancel)?;
        let piece = piece?;
        hasher.update(&piece);
        file.write_all(&piece).map_err(cannot)?;
    }
    if hasher.finish() == artifact.checksum {
        return Ok(());
    }
    Err(Error::unexpected("the changed tree is not what was recorded")
        .code("damaged_artifact")
        .context("digest", artifact.checksum))
}

/// What the commit says, with what proves it.
fn message(wanted: &Wanted, request: &PublishRequest<'_>) -> String {
    let release = request.release;
    format!(
        "{}\n\nMatrix-Architect-Job: {}\nMatrix-Architect-Plan: {}\nMatrix-Architect-Patch: {}\n",
        wanted.message.trim_end(),
        request.job.id,
        release.plan_hash(),
        release.patch_hash(),
    )
}
