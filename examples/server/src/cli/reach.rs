//! Where a subcommand acts: on the data directory here, or on a server.

use bytes::Bytes;
use matrix_architect_core::{
    artifact::Artifact,
    error::{Error, ErrorKind, Result},
    event::Resolution,
    id::JobId,
    job::Job,
    principal::Principal,
};

use crate::{
    api::{ListParams, Piece, ResolveRequest, Words},
    client::Client,
    composition::Installation,
};

/// Bytes of the largest artifact that is fetched whole.
const LARGEST: usize = 1 << 30;

/// Where a subcommand acts.
#[derive(Debug)]
pub(super) enum Reach {
    /// On the data directory, as this principal.
    Here(Box<Installation>, Principal),
    /// On a server, as whoever holds the token.
    Server(Client),
}

impl Reach {
    pub(super) async fn jobs(&self, params: &ListParams) -> Result<Vec<Job>> {
        match self {
            Self::Server(client) => client.jobs(params).await,
            Self::Here(here, principal) => {
                let page = here.engine.jobs(principal, &params.query()?).await?;
                Ok(page.jobs.into_iter().map(|record| record.job).collect())
            }
        }
    }

    pub(super) async fn job(&self, id: &JobId) -> Result<Job> {
        match self {
            Self::Server(client) => client.job(id).await,
            Self::Here(here, principal) => here.engine.job(principal, id).await,
        }
    }

    pub(super) async fn approve(&self, id: &JobId, words: Words) -> Result<Job> {
        match self {
            Self::Server(client) => client.decide(id, "approve", &words).await,
            Self::Here(here, principal) => {
                here.engine.approve(principal, id, words.into_consent()).await
            }
        }
    }

    pub(super) async fn refuse(&self, id: &JobId, words: Words) -> Result<Job> {
        match self {
            Self::Server(client) => client.decide(id, "refuse", &words).await,
            Self::Here(here, principal) => {
                here.engine.refuse(principal, id, words.into_consent()).await
            }
        }
    }

    pub(super) async fn cancel(&self, id: &JobId, words: Words) -> Result<Job> {
        match self {
            Self::Server(client) => client.decide(id, "cancel", &words).await,
            Self::Here(here, principal) => here.engine.cancel(principal, id, words.comment).await,
        }
    }

    pub(super) async fn resolve(&self, id: &JobId, resolution: Resolution) -> Result<Job> {
        match self {
            Self::Server(client) => {
                client.decide(id, "resolve", &ResolveRequest { resolution }).await
            }
            Self::Here(here, principal) => here.engine.resolve(principal, id, resolution).await,
        }
    }

    pub(super) async fn log_names(&self, id: &JobId) -> Result<Vec<String>> {
        match self {
            Self::Server(client) => client.log_names(id).await,
            Self::Here(here, principal) => here.engine.log_names(principal, id).await,
        }
    }

    pub(super) async fn log(&self, id: &JobId, name: &str, from: u64) -> Result<Piece> {
        match self {
            Self::Server(client) => client.log(id, name, from).await,
            Self::Here(here, principal) => {
                let range = from..from.saturating_add(1 << 20);
                let page = here.engine.log(principal, id, name, range).await?;
                Ok(Piece { bytes: page.bytes.into(), end: page.end, sealed: page.sealed })
            }
        }
    }

    pub(super) async fn artifacts(&self, id: &JobId) -> Result<Vec<Artifact>> {
        match self {
            Self::Server(client) => client.artifacts(id).await,
            Self::Here(here, principal) => Ok(here.engine.job(principal, id).await?.artifacts),
        }
    }

    pub(super) async fn artifact(&self, id: &JobId, name: &str) -> Result<Bytes> {
        match self {
            Self::Server(client) => client.artifact(id, name).await,
            Self::Here(here, principal) => {
                let (_, content) = here.engine.artifact(principal, id, name).await?;
                content.collect(LARGEST).await
            }
        }
    }
}

/// A job id from the command line. One that is no id at all is as unknown as one nobody has.
pub(super) fn job_id(text: &str) -> Result<JobId> {
    JobId::new(text).map_err(|_| {
        Error::new(ErrorKind::Invalid, "that is no job's id")
            .context("job", text.escape_debug())
            .advice("see: architect jobs")
    })
}
