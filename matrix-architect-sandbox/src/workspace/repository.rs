//! Brings a repository's objects within reach.

use std::process::Stdio;

use matrix_architect_core::{
    Error,
    error::Result,
    git::{RemoteUrl, failure},
    id::GitOid,
    secret::{Scope, SecretRef},
    traits::{Cancel, CheckoutRequest},
};

use super::{
    GitWorkspace,
    bare::Bare,
    credentials::Credentials,
    dir_tree::on_blocking_thread,
    git::{self, Invocation, cancelled},
    local_refs,
    objects::Objects,
    refs::{Advertised, Target, Wanted},
    source::Source,
};

/// How much history is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// The commits alone.
    None,
    /// All of it, to find where branches parted.
    All,
}

impl GitWorkspace {
    /// The commit that is wanted, as the repository names it now.
    pub(super) async fn target(
        &self,
        request: &CheckoutRequest<'_>,
        source: &Source,
        wanted: &Wanted,
    ) -> Result<Target> {
        if let Wanted::Commit(commit) = wanted {
            return Ok(Target { commit: commit.clone(), branch: None });
        }
        if let Source::Local(local) = source {
            let (local, wanted) = (local.clone(), wanted.clone());
            let read = on_blocking_thread(move || Ok(local_refs::read(&local, &wanted)));
            if let Some(target) = read.await? {
                return Ok(target);
            }
        }
        let advertised = self.advertised(request, source, wanted).await?;
        advertised.resolve(wanted)
    }

    async fn advertised(
        &self,
        request: &CheckoutRequest<'_>,
        source: &Source,
        wanted: &Wanted,
    ) -> Result<Advertised> {
        let (protocol, url, credentials) = match source {
            Source::Folder(_) => return Ok(Advertised::default()),
            Source::Local(local) => ("file", local.path.display().to_string(), None),
            Source::Remote { url, credentials, .. } => {
                let credentials = self.credentials(request, url, credentials.as_ref()).await?;
                (url.scheme(), url.text().to_owned(), credentials)
            }
        };
        let invocation =
            Invocation { protocol, credentials: credentials.as_ref(), ..Invocation::default() };
        let mut args = vec!["ls-remote".to_owned(), "--symref".to_owned(), "--".to_owned(), url];
        args.extend(wanted.patterns());
        let output = self.git.run(&invocation, &args, request.cancel).await?;
        Ok(Advertised::parse(&output))
    }

    async fn credentials(
        &self,
        request: &CheckoutRequest<'_>,
        url: &RemoteUrl,
        reference: Option<&SecretRef>,
    ) -> Result<Option<Credentials>> {
        let Some(reference) = reference else { return Ok(None) };
        let scope = Scope { tenant: request.tenant.clone(), environment: None };
        let secret = request.secrets.get(&scope, reference).await?;
        Credentials::write(&self.scratch, url, &secret)
            .map(Some)
            .map_err(|error| error.context("secret", reference))
    }

    /// A repository of ours in which the commits can be read.
    pub(super) async fn repository(
        &self,
        request: &CheckoutRequest<'_>,
        source: &Source,
        commits: &[&GitOid],
        history: History,
    ) -> Result<Bare> {
        let first = commits.first().ok_or_else(|| Error::unexpected("no commit was asked for"))?;
        match source {
            Source::Folder(_) => Err(Error::invalid("a plain folder has no commits")
                .code("not_a_repository")
                .advice("name a git repository, or hand in a plan or a diff")),
            Source::Local(local) => Bare::over(&self.scratch, local, first),
            Source::Remote { url, credentials, .. } => {
                let bare = Bare::new(&self.scratch, first)?;
                let credentials = self.credentials(request, url, credentials.as_ref()).await?;
                let invocation = Invocation {
                    protocol: url.scheme(),
                    credentials: credentials.as_ref(),
                    ..bare.invocation()
                };
                let args = fetch(url, &by_name(commits), history);
                match self.git.run(&invocation, &args, request.cancel).await {
                    // A server of the oldest protocol names its tips and gives out nothing else.
                    Err(error) if error.code_str() == "unadvertised_commit" => {
                        let args = fetch(url, &EVERYTHING.map(str::to_owned), History::All);
                        self.git.run(&invocation, &args, request.cancel).await?;
                    }
                    other => drop(other?),
                }
                Ok(bare)
            }
        }
    }

    /// Runs `work` on the repository's objects, on a thread where it may block.
    pub(super) async fn with_objects<T: Send + 'static>(
        &self,
        bare: &Bare,
        cancel: &Cancel,
        work: impl FnOnce(&mut Objects) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let args = ["cat-file", "--batch"];
        let (mut child, group) = self.git.spawn(&bare.invocation(), &args, Stdio::piped())?;
        let mut objects = Objects::of(&mut child)?;
        let stderr = child.stderr.take();
        let work = async {
            // The thread drops its end of the pipe, so that git ends and with it the messages.
            let answer = on_blocking_thread(move || work(&mut objects));
            let (answer, stderr) = tokio::join!(answer, git::read(stderr, git::STDERR_CAP));
            (answer, stderr, child.wait().await)
        };
        tokio::pin!(work);
        let (answer, stderr, status) = tokio::select! {
            done = &mut work => done,
            () = cancel.cancelled() => {
                group.kill();
                // The thread sees the end of the pipe; after this nothing writes any more.
                let _ = work.await;
                return Err(cancelled());
            }
        };
        group.ended();
        match status {
            Ok(status) if !status.success() && answer.is_err() && !stderr.is_empty() => {
                Err(failure(&String::from_utf8_lossy(&stderr)))
            }
            _ => answer,
        }
    }
}

/// All branches and tags.
const EVERYTHING: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// By name and not by reference: a branch that moves meanwhile changes nothing.
fn by_name(commits: &[&GitOid]) -> Vec<String> {
    commits.iter().map(ToString::to_string).collect()
}

fn fetch(url: &RemoteUrl, wanted: &[String], history: History) -> Vec<String> {
    let mut args = vec!["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"];
    args.extend(["--no-write-fetch-head", "--no-auto-maintenance"]);
    if history == History::None {
        args.push("--depth=1");
    }
    args.extend(["--", url.text()]);
    args.into_iter().map(str::to_owned).chain(wanted.iter().cloned()).collect()
}
