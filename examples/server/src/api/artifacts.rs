//! What a job left behind: its artifacts and its logs.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse as _, Response},
};
use matrix_architect_core::{artifact::Artifact, error::Result, id::JobId};
use serde::{Deserialize, Serialize};

use super::{App, auth::Caller, jobs::job_id, problem::Failed, read::Params};

/// `GET /artifacts/{job_id}`: what there is, each to be had under its name.
///
/// # Errors
/// A problem if there is no such job or the principal may not look.
pub(super) async fn list(
    State(app): State<App>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<Json<Vec<Artifact>>, Failed> {
    Ok(Json(app.engine.job(&principal, &job_id(&id)?).await?.artifacts))
}

/// `GET /artifacts/{job_id}/{name}`: the content, with its digest as entity tag.
///
/// # Errors
/// As [`list`], and 404 if the job has no such artifact.
pub(super) async fn download(
    State(app): State<App>,
    Caller(principal): Caller,
    Path((id, name)): Path<(String, String)>,
) -> Result<Response, Failed> {
    let (artifact, content) = app.engine.artifact(&principal, &job_id(&id)?, &name).await?;
    let mut response = Body::from_stream(content).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(artifact.size));
    set(headers, header::CONTENT_TYPE, &artifact.content_type);
    set(headers, header::ETAG, &format!("\"{}\"", artifact.checksum));
    // What a job made is hostile: it is saved and never shown as a page of this server.
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok(response)
}

fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    // A value that no header can carry is left out rather than cut.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// `GET /jobs/{id}/logs`: the names of the job's logs in the order they began.
///
/// # Errors
/// As [`list`].
pub(super) async fn logs(
    State(app): State<App>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<Json<Vec<String>>, Failed> {
    Ok(Json(app.engine.log_names(&principal, &job_id(&id)?).await?))
}

/// The query of `GET /jobs/{id}/logs/{name}`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogParams {
    /// From which byte on.
    pub from: u64,
    /// At most so many bytes; a page is never longer than 1 MiB.
    pub limit: Option<u64>,
}

/// Where a page of a log begins and how long the log is, in response headers.
pub mod log_headers {
    /// The page's first byte.
    pub const START: &str = "log-start";
    /// The length of the log by now.
    pub const END: &str = "log-end";
    /// `true` if nothing will be added any more.
    pub const SEALED: &str = "log-sealed";
}

/// A page of a log, as the API's clients read it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The length of the log by now.
    pub end: u64,
    /// Whether nothing will be added any more.
    pub sealed: bool,
}

/// `GET /jobs/{id}/logs/{name}`: bytes as they were written, with their place in headers.
///
/// # Errors
/// As [`list`].
pub(super) async fn log(
    State(app): State<App>,
    Caller(principal): Caller,
    Path((id, name)): Path<(String, String)>,
    Params(params): Params<LogParams>,
) -> Result<Response, Failed> {
    let id: JobId = job_id(&id)?;
    let end = params.from.saturating_add(params.limit.unwrap_or(1 << 20).min(1 << 20));
    let page = app.engine.log(&principal, &id, &name, params.from..end).await?;
    let mut response = page.bytes.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(log_headers::START, HeaderValue::from(page.start));
    headers.insert(log_headers::END, HeaderValue::from(page.end));
    let sealed = if page.sealed { "true" } else { "false" };
    headers.insert(log_headers::SEALED, HeaderValue::from_static(sealed));
    Ok(response)
}
