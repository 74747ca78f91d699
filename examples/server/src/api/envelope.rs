//! What is the same around every request: its id, its span, safe headers, and an answer to what is
//! no route.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use matrix_architect_core::id::RequestId;
use tracing::Instrument as _;

use super::{App, problem::Problem};

const REQUEST_ID: &str = "x-request-id";

/// Names the request, logs it, and puts its name into the answer and into problem documents.
pub(super) async fn wrap(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = given_id(request.headers())
        .unwrap_or_else(|| RequestId::from_number(app.ids.next()).to_string());
    let route = request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str);
    let span = tracing::info_span!(
        "api.request",
        request_id = id,
        method = request.method().as_str(),
        route,
        principal = tracing::field::Empty,
    );
    let start = tokio::time::Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| {
        tracing::info!(status = u64::from(response.status().as_u16()), millis, "request served");
    });
    seal(response, &id)
}

/// Adds the request's id, and rewrites a problem document so that it carries the id too.
fn seal(mut response: Response, id: &str) -> Response {
    if let Some(mut problem) = response.extensions_mut().remove::<Problem>() {
        problem.request_id = Some(id.to_owned());
        let kept = std::mem::take(response.headers_mut());
        response = problem.into_response();
        for (name, value) in kept {
            let Some(name) = name.filter(|name| *name != header::CONTENT_LENGTH) else { continue };
            response.headers_mut().insert(name, value);
        }
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The caller's own id for the request, if it is fit for a log.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(REQUEST_ID)?.to_str().ok()?;
    RequestId::new(text).ok().map(|id| id.to_string())
}

/// The answer where there is no route.
pub(super) async fn no_such_route() -> Response {
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", "there is nothing under this path")
        .next("the routes are /plan, /execute, /jobs, /artifacts, /healthz and /readyz")
        .into_response()
}

/// The answer where the route takes other methods. The `Allow` header names them.
pub(super) async fn no_such_method() -> Response {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "the path does not take this method",
    )
    .next("see the response's allow header")
    .into_response()
}
