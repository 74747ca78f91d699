//! The HTTP interface: the seed system's five routes, and what people and the command need beside.
//!
//! | route | |
//! |---|---|
//! | `POST /plan` | a job that shows what would happen and waits for approval |
//! | `POST /execute` | a job that runs as far as the policy allows |
//! | `GET /jobs`, `GET /jobs/{id}` | jobs, newest first, and one job |
//! | `GET /jobs/{id}/events` | what happened to it |
//! | `GET /jobs/{id}/logs`, `…/logs/{name}` | its logs |
//! | `POST /jobs/{id}/approve`, `refuse`, `cancel`, `resolve` | decisions on it |
//! | `GET /artifacts/{job_id}`, `…/{name}` | what it left behind |
//! | `GET /healthz`, `GET /readyz` | without a token |

mod artifacts;
mod auth;
mod boundary;
mod change;
mod envelope;
mod health;
mod jobs;
mod problem;
mod read;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use matrix_architect_core::{
    engine::Engine,
    traits::{Cancel, Ids},
};

pub use artifacts::{LogParams, Piece, log_headers};
pub use boundary::{Boundary, ListedRepo};
pub use change::ChangeRequest;
pub use jobs::{EventParams, ListParams, ResolveRequest, Words};
pub use problem::{Problem, status_of};

use crate::token::Tokens;

/// Bytes of the largest body that is read: a plan carries whole files.
pub const MAX_BODY: usize = 16 << 20;

/// What the routes work with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct App {
    /// Does everything there is to do, and checks who may.
    pub engine: Engine,
    /// Who is who.
    pub tokens: Tokens,
    /// What requests may name on this machine.
    pub boundary: Arc<Boundary>,
    /// Names requests.
    pub ids: Arc<dyn Ids>,
    /// The wish that the server shuts down.
    pub drain: Cancel,
}

impl App {
    /// An application of its parts.
    pub fn new(
        engine: Engine,
        tokens: Tokens,
        boundary: Boundary,
        ids: Arc<dyn Ids>,
        drain: Cancel,
    ) -> Self {
        Self { engine, tokens, boundary: Arc::new(boundary), ids, drain }
    }
}

/// All routes.
pub fn router(app: App) -> Router {
    let guarded = Router::new()
        .route("/plan", post(change::plan))
        .route("/execute", post(change::execute))
        .route("/jobs", get(jobs::list))
        .route("/jobs/{id}", get(jobs::one))
        .route("/jobs/{id}/events", get(jobs::events))
        .route("/jobs/{id}/logs", get(artifacts::logs))
        .route("/jobs/{id}/logs/{name}", get(artifacts::log))
        .route("/jobs/{id}/approve", post(jobs::approve))
        .route("/jobs/{id}/refuse", post(jobs::refuse))
        .route("/jobs/{id}/cancel", post(jobs::cancel))
        .route("/jobs/{id}/resolve", post(jobs::resolve))
        .route("/artifacts/{job_id}", get(artifacts::list))
        .route("/artifacts/{job_id}/{name}", get(artifacts::download))
        .route_layer(middleware::from_fn_with_state(app.clone(), auth::authenticate));
    Router::new()
        .merge(guarded)
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .fallback(envelope::no_such_route)
        .method_not_allowed_fallback(envelope::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(app.clone(), envelope::wrap))
        .with_state(app)
}
