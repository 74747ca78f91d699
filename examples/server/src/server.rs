//! The server: the API and its workers in one process, from start to orderly end.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use matrix_architect_core::{
    engine::Worker,
    error::{Error, ErrorKind, Result},
    id::WorkerId,
    traits::{Cancel, Deployer, Ids as _, Policy, Publisher},
};
use matrix_architect_store::system::SystemIds;
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    admin_token::AdminToken,
    api::{self, App, Boundary},
    composition::{Composition, Installation},
    home::Home,
    token::Tokens,
};

/// How long open requests may take once the server shuts down.
const GRACE: Duration = Duration::from_secs(10);

/// A server that listens already and does not answer yet.
///
/// ```no_run
/// use std::sync::Arc;
/// use matrix_architect_core::traits::{Cancel, Deployer};
/// use matrix_architect_server::Server;
///
/// # async fn example(mine: Arc<dyn Deployer>) -> matrix_architect_core::Result<()> {
/// let server = Server::builder()
///     .data("/var/lib/architect")
///     .listen(([127, 0, 0, 1], 8080).into())
///     .workers(4)
///     .deployer("mine", mine)
///     .build()
///     .await?;
/// server.run(&Cancel::new()).await
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    installation: Installation,
    tokens: Tokens,
    boundary: Boundary,
    listener: TcpListener,
    workers: usize,
    admin_token: AdminToken,
}

/// Puts a [`Server`] together.
#[derive(Debug)]
pub struct ServerBuilder {
    composition: Composition,
    data: Option<PathBuf>,
    listen: SocketAddr,
    workers: usize,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        Self {
            composition: Composition::new(),
            data: None,
            listen: ([127, 0, 0, 1], 8080).into(),
            workers: 4,
        }
    }
}

impl ServerBuilder {
    /// The data directory. Required.
    #[must_use]
    pub fn data(mut self, path: impl Into<PathBuf>) -> Self {
        self.data = Some(path.into());
        self
    }

    /// Where it listens: 127.0.0.1:8080 unless set. Port 0 takes a free one.
    #[must_use]
    pub const fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// How many jobs run at once in this process: 4 unless set. With 0 it only takes jobs in. As
    /// many sessions of the native sandbox stand by, unless the composition's isolation says
    /// otherwise.
    #[must_use]
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Registers a deployer under the name that `config.driver` calls it by.
    #[must_use]
    pub fn deployer(mut self, name: impl Into<String>, deployer: Arc<dyn Deployer>) -> Self {
        self.composition = self.composition.deployer(name, deployer);
        self
    }

    /// Registers a publisher under the name that `driver` calls it by.
    #[must_use]
    pub fn publisher(mut self, name: impl Into<String>, publisher: Arc<dyn Publisher>) -> Self {
        self.composition = self.composition.publisher(name, publisher);
        self
    }

    /// Decides what may go on by itself, in place of the built-in rules.
    #[must_use]
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.composition = self.composition.policy(policy);
        self
    }

    /// Takes a composition that was prepared elsewhere.
    #[must_use]
    pub fn composition(mut self, composition: Composition) -> Self {
        self.composition = composition;
        self
    }

    /// Opens the data directory, makes the first administrator's token if there is no token at all,
    /// and binds the address.
    ///
    /// # Errors
    /// `Invalid` without a data directory, `Unavailable` if the directory or the address cannot be
    /// had.
    pub async fn build(self) -> Result<Server> {
        let data = self.data.ok_or_else(|| {
            Error::invalid("the server has no data directory")
                .advice("call ServerBuilder::data before build")
        })?;
        let home = Home::open(data)?;
        let boundary = Boundary::read(&home.server_file())?;
        let listener = TcpListener::bind(self.listen).await.map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the address cannot be listened on")
                .context("address", self.listen)
                .advice("choose another with --listen HOST:PORT")
                .source(cause)
        })?;
        let installation = self.composition.ready(self.workers).open(home).await?;
        let tokens = installation.tokens();
        let admin_token = AdminToken::ensure(&installation.home, &tokens).await?;
        Ok(Server { installation, tokens, boundary, listener, workers: self.workers, admin_token })
    }
}

impl Server {
    /// Begins to put a server together.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// Where it listens.
    ///
    /// # Errors
    /// `Unavailable` if the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        self.listener.local_addr().map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the socket has no address").source(cause)
        })
    }

    /// How this start found the administrator's token, or that it made it.
    pub const fn admin_token(&self) -> &AdminToken {
        &self.admin_token
    }

    /// What it works with.
    pub const fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Serves until `shutdown` is cancelled. Then no request and no job is taken any more, what is
    /// under way is brought to a known end, and leases are given back.
    ///
    /// # Errors
    /// `Unavailable` if the listener fails.
    pub async fn run(self, shutdown: &Cancel) -> Result<()> {
        let engine = &self.installation.engine;
        let mut workers = JoinSet::new();
        for _ in 0..self.workers {
            let worker = engine.worker(WorkerId::from_number(SystemIds.next()));
            let drain = shutdown.child();
            workers.spawn(keep_working(worker, drain));
        }
        let app = App::new(
            engine.clone(),
            self.tokens,
            self.boundary,
            Arc::new(SystemIds),
            shutdown.child(),
        );
        let stopping = shutdown.clone();
        let serving = axum::serve(self.listener, api::router(app))
            .with_graceful_shutdown(async move { stopping.cancelled().await });
        let served = tokio::select! {
            served = serving.into_future() => served,
            // A client that keeps its connection open does not keep the server open.
            () = async { shutdown.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
        };
        shutdown.cancel();
        while workers.join_next().await.is_some() {}
        served.map_err(|cause| {
            Error::new(ErrorKind::Unavailable, "the listener failed").source(cause)
        })
    }
}

/// Works until drained. A backend that panics costs the job its lease, not the server its worker.
async fn keep_working(worker: Worker, drain: Cancel) {
    while !drain.is_cancelled() {
        let (worker, drain) = (worker.clone(), drain.clone());
        let work = tokio::spawn(async move { worker.run(&drain).await });
        if let Err(panic) = work.await {
            tracing::error!(%panic, "a worker ended in the middle of a job and begins anew");
        }
    }
}
