//! Whether the server lives, and whether it can do its work.

use axum::{extract::State, http::StatusCode};
use matrix_architect_core::id::TenantId;
use serde_json::json;

use super::{
    App,
    problem::{Failed, Problem},
};

/// `GET /healthz`: the process answers.
pub(super) async fn live() -> axum::Json<serde_json::Value> {
    axum::Json(json!({ "status": "ok" }))
}

/// `GET /readyz`: the store answers too, and the server is not shutting down.
///
/// # Errors
/// A problem with status 503 otherwise.
pub(super) async fn ready(State(app): State<App>) -> Result<axum::Json<serde_json::Value>, Failed> {
    let not_ready =
        |why: &str| Failed::new(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why));
    if app.drain.is_cancelled() {
        return Err(not_ready("the server is shutting down"));
    }
    let probe = app.tokens.is_empty(&TenantId::default()).await;
    probe.map_err(|error| {
        tracing::error!(error = ?error, "the store does not answer");
        not_ready("the store does not answer")
    })?;
    Ok(axum::Json(json!({ "status": "ok" })))
}
