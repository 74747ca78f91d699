//! `architect serve`: the API and its workers.

use std::net::SocketAddr;

use clap::Args;
use matrix_architect_core::{
    error::{Error, Result},
    traits::Cancel,
};
use tokio::signal::unix::{SignalKind, signal};

use super::{context::Context, exit::Exit};
use crate::{fetching::Fetching, isolation::Isolation, server::Server};

/// Start the server with its workers.
///
/// The first start writes an administrator's token to admin-token in the data directory.
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How many jobs run at once
    #[arg(long, value_name = "COUNT", default_value_t = 4)]
    workers: usize,
    #[command(flatten)]
    isolation: Isolation,
    #[command(flatten)]
    fetching: Fetching,
}

impl Serve {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let composition =
            context.composition.clone().isolation(&self.isolation).fetching(&self.fetching);
        crate::logging::install(context.environment.log.as_deref(), "info", composition.clock());
        let home = context.home()?;
        // Before anybody is told that the server is there and may want it to stop.
        let shutdown = shutdown()?;
        let server = Server::builder()
            .composition(composition)
            .data(home.path())
            .listen(self.listen)
            .workers(self.workers)
            .build()
            .await?;
        context.screen.note(&format!("listens on http://{}", server.address()?));
        if let Some(note) = server.admin_token().note() {
            context.screen.note(&note);
        }
        // Plain folders can be worked on without it, so it is no reason not to serve.
        let config = context.composition.workspace_config(&home)?;
        if let Err(error) = config.git_version() {
            context.screen.note(&format!("cannot work on repositories: {error}"));
        }
        tracing::info!(address = %server.address()?, workers = self.workers, "server started");
        server.run(&shutdown).await?;
        tracing::info!("server stopped");
        Ok(Exit::Done)
    }
}

/// Cancelled by the first SIGTERM or SIGINT. A second one ends the process at once: jobs under way
/// are taken up again when their leases have run out.
fn shutdown() -> Result<Cancel> {
    let refuse =
        |cause| Error::unexpected("the system does not let signals be handled").source(cause);
    let mut terminate = signal(SignalKind::terminate()).map_err(refuse)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(refuse)?;
    let cancel = Cancel::new();
    let stopping = cancel.clone();
    tokio::spawn(async move {
        for count in 0.. {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            if count > 0 {
                std::process::exit(Exit::Error.code().into());
            }
            tracing::info!("shutting down; once more to stop at once");
            stopping.cancel();
        }
    });
    Ok(cancel)
}
