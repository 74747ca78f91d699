//! What every subcommand works with.

use std::time::Duration;

use matrix_architect_core::{
    error::Result,
    id::{PrincipalId, TenantId},
    job::{Job, JobStatus},
    principal::{Principal, Role},
};

use super::{Global, reach::Reach};
use crate::{
    client::Client,
    composition::{Composition, Installation},
    config::Environment,
    fetching::Fetching,
    home::{Home, read_private},
    isolation::Isolation,
    output::Screen,
};

/// How long the job of a process that was killed stays with it: short, since whoever starts the
/// same command again waits for it.
const LEASE: Duration = Duration::from_secs(5);

/// The command line's common part, the environment, and where output goes.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) global: Global,
    pub(super) environment: Environment,
    pub(super) composition: Composition,
    pub(super) screen: Screen,
}

impl Context {
    pub(super) fn new(global: Global, environment: Environment, composition: Composition) -> Self {
        let screen = Screen::new(global.json, global.quiet, environment.no_color);
        let composition = composition.environment(&environment);
        Self { global, environment, composition, screen }
    }

    /// The data directory, made if it is not there.
    pub(super) fn home(&self) -> Result<Home> {
        match &self.global.data {
            Some(path) => Home::open(path),
            None => Home::open(self.environment.data_dir()?),
        }
    }

    pub(super) fn tenant(&self) -> Result<TenantId> {
        self.global.tenant.as_deref().map_or_else(|| Ok(TenantId::default()), TenantId::new)
    }

    /// Who acts on the local data directory. Whoever can write there can do everything, so the
    /// principal may everything; what it may not do is agree with itself.
    pub(super) fn principal(&self) -> Result<Principal> {
        let id = match &self.global.actor {
            Some(name) => PrincipalId::new(name.as_str())?,
            None => self.environment.principal()?,
        };
        Ok(Principal::new(id, self.tenant()?, Role::Admin))
    }

    /// Opens the local data directory to look at what is there and to decide on it. Nothing runs, so
    /// it works on a machine that can start no sandbox.
    pub(super) async fn local(&self) -> Result<Installation> {
        self.log();
        self.composition.open_to_look(self.home()?).await
    }

    /// Opens the local data directory with all its backends.
    pub(super) async fn local_with(
        &self,
        isolation: &Isolation,
        fetching: &Fetching,
    ) -> Result<Installation> {
        self.log();
        let composition =
            self.composition.clone().isolation(isolation).fetching(fetching).lease_term(LEASE);
        composition.open(self.home()?).await
    }

    fn log(&self) {
        crate::logging::install(self.environment.log.as_deref(), "error", self.composition.clock());
    }

    /// A command to go on with, in the same place as this one: each word of its own.
    pub(super) fn command(&self, words: &[&str]) -> Result<Vec<String>> {
        let place = match &self.global.server {
            Some(url) => ["--server".to_owned(), url.clone()],
            None => ["--data".to_owned(), self.home()?.path().display().to_string()],
        };
        let words = std::iter::once(&"architect").chain(words).map(ToString::to_string);
        Ok(words.chain(place).collect())
    }

    /// The command that decides on a job, if it needs an operator.
    pub(super) fn resolve(&self, job: &Job) -> Result<Option<Vec<String>>> {
        let needed = job.status == JobStatus::NeedsOperator;
        needed.then(|| self.command(&["resolve", job.id.as_str(), "--retry"])).transpose()
    }

    /// The server if one is named, else the local data directory.
    pub(super) async fn reach(&self) -> Result<Reach> {
        match &self.global.server {
            Some(url) => Ok(Reach::Server(Client::new(url, self.server_token()?)?)),
            None => Ok(Reach::Here(Box::new(self.local().await?), self.principal()?)),
        }
    }

    fn server_token(&self) -> Result<String> {
        use matrix_architect_core::error::{Error, ErrorKind};
        let text = match (&self.global.token_file, &self.environment.token) {
            (Some(path), _) => String::from_utf8(read_private(path)?)
                .map_err(|_| Error::invalid("the token file is not text"))?,
            (None, Some(token)) => token.clone(),
            (None, None) => {
                return Err(Error::new(ErrorKind::Denied, "the server wants a token")
                    .advice("set ARCHITECT_TOKEN or give --token-file FILE"));
            }
        };
        Ok(text.trim().to_owned())
    }
}
