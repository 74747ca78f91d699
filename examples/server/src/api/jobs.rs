//! Looking at jobs and deciding on them.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts as _, Path, Request, State},
    response::{IntoResponse as _, Response},
};
use matrix_architect_core::{
    engine::Consent,
    error::{Error, Result},
    event::{EventEnvelope, Resolution},
    id::{ApprovalId, JobId},
    job::{Job, JobStatus},
    principal::Principal,
    traits::JobQuery,
};
use serde::{Deserialize, Serialize};

use super::{App, auth::Caller, problem::Failed, read::Params};

/// The query of `GET /jobs`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ListParams {
    /// Only jobs in this status.
    pub status: Option<JobStatus>,
    /// At most so many; 50 if absent, at most 1,000.
    pub limit: Option<usize>,
    /// The cursor that the page before ended with.
    pub after: Option<String>,
}

impl ListParams {
    /// What the store is asked.
    ///
    /// # Errors
    /// `Invalid` if the limit is out of bounds.
    pub fn query(&self) -> Result<JobQuery> {
        let limit = self.limit.unwrap_or(50);
        if !(1..=1000).contains(&limit) {
            return Err(Error::invalid("the limit is not between 1 and 1,000")
                .context("field", "limit")
                .context("value", limit));
        }
        let mut query = JobQuery::default();
        query.statuses = self.status.into_iter().collect();
        query.limit = limit;
        query.after.clone_from(&self.after);
        Ok(query)
    }
}

/// `GET /jobs`: newest first. The body is the seed system's plain list; a further page is announced
/// by a `Link` header ([RFC 8288](https://www.rfc-editor.org/rfc/rfc8288)).
///
/// # Errors
/// A problem if the query is wrong or the principal may not look.
pub(super) async fn list(
    State(app): State<App>,
    Caller(principal): Caller,
    Params(params): Params<ListParams>,
) -> Result<Response, Failed> {
    let query = params.query()?;
    let page = app.engine.jobs(&principal, &query).await?;
    let next = page.next;
    let jobs: Vec<Job> = page.jobs.into_iter().map(|record| record.job).collect();
    let mut response = Json(jobs).into_response();
    if let Some(next) = next {
        let status = params.status.map(|status| format!("&status={}", status.as_str()));
        let link = format!(
            "</jobs?limit={}&after={}{}>; rel=\"next\"",
            query.limit,
            percent_encoded(&next),
            status.unwrap_or_default()
        );
        if let Ok(link) = link.parse() {
            response.headers_mut().insert(axum::http::header::LINK, link);
        }
    }
    Ok(response)
}

/// `GET /jobs/{id}`.
///
/// # Errors
/// A problem if there is no such job or the principal may not look.
pub(super) async fn one(
    State(app): State<App>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<Json<Job>, Failed> {
    Ok(Json(app.engine.job(&principal, &job_id(&id)?).await?))
}

/// The query of `GET /jobs/{id}/events`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventParams {
    /// Only events after this number.
    pub after: u64,
}

/// `GET /jobs/{id}/events`: what happened, in order.
///
/// # Errors
/// As [`one`].
pub(super) async fn events(
    State(app): State<App>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    Params(params): Params<EventParams>,
) -> Result<Json<Vec<EventEnvelope>>, Failed> {
    Ok(Json(app.engine.history(&principal, &job_id(&id)?, params.after).await?))
}

/// The body of the decisions; it may be left out.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Words {
    /// Why.
    pub comment: Option<String>,
    /// The question that was looked at. Given, an answer never falls to a newer question about
    /// another patch.
    pub approval_id: Option<ApprovalId>,
}

impl Words {
    /// The words as the engine takes them.
    pub fn into_consent(self) -> Consent {
        let consent = Consent::from(self.comment);
        match self.approval_id {
            Some(approval) => consent.to(approval),
            None => consent,
        }
    }
}

/// What every decision comes with: whose it is, on which job, and their words.
#[derive(Debug)]
pub(super) struct Said {
    by: Principal,
    job: JobId,
    words: Words,
}

impl<S: Send + Sync> FromRequest<S> for Said {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        let (mut parts, body) = request.into_parts();
        let Caller(by) = Caller::from_request_parts(&mut parts, state).await?;
        let Path(id) = Path::<String>::from_request_parts(&mut parts, state)
            .await
            .map_err(|_| Error::not_found("no such job"))?;
        let words = super::read::optional_json(Request::from_parts(parts, body), state).await?;
        Ok(Self { by, job: job_id(&id)?, words })
    }
}

/// `POST /jobs/{id}/approve`.
///
/// # Errors
/// A problem with status 403 if the principal may not, 409 if nobody asked.
pub(super) async fn approve(State(app): State<App>, said: Said) -> Result<Json<Job>, Failed> {
    Ok(Json(app.engine.approve(&said.by, &said.job, said.words.into_consent()).await?))
}

/// `POST /jobs/{id}/refuse`.
///
/// # Errors
/// As [`approve`].
pub(super) async fn refuse(State(app): State<App>, said: Said) -> Result<Json<Job>, Failed> {
    Ok(Json(app.engine.refuse(&said.by, &said.job, said.words.into_consent()).await?))
}

/// `POST /jobs/{id}/cancel`.
///
/// # Errors
/// As [`approve`].
pub(super) async fn cancel(State(app): State<App>, said: Said) -> Result<Json<Job>, Failed> {
    Ok(Json(app.engine.cancel(&said.by, &said.job, said.words.comment).await?))
}

/// The body of `POST /jobs/{id}/resolve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveRequest {
    /// What becomes of a job whose rollback failed.
    pub resolution: Resolution,
}

/// `POST /jobs/{id}/resolve`: an operator's word on a job that could not be rolled back.
///
/// # Errors
/// As [`approve`].
pub(super) async fn resolve(
    State(app): State<App>,
    Caller(principal): Caller,
    Path(id): Path<String>,
    super::read::Json(request): super::read::Json<ResolveRequest>,
) -> Result<Json<Job>, Failed> {
    Ok(Json(app.engine.resolve(&principal, &job_id(&id)?, request.resolution).await?))
}

/// A path's job id. One that is no id at all is as unknown as one that nobody has.
pub(super) fn job_id(text: &str) -> Result<JobId> {
    JobId::new(text)
        .map_err(|_| Error::not_found("no such job").context("job", text.escape_debug()))
}

fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
