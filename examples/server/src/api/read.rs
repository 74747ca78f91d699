//! Reading requests: bodies, queries and headers, each refused with a problem that says where.

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Query, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use matrix_architect_core::error::{Error, Result};
use serde::de::DeserializeOwned;

use super::problem::{Failed, Problem};

/// The longest a client may ask to be kept waiting.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// A JSON body. Unlike axum's own, every refusal is a problem document with line and column.
#[derive(Debug)]
pub(super) struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failed> {
        let (headers, bytes) = whole(request, state).await?;
        json(&headers, &bytes).map(Self)
    }
}

/// A JSON body that may be left out.
///
/// # Errors
/// As [`Json`].
pub(super) async fn optional_json<S: Send + Sync, T: Default + DeserializeOwned>(
    request: Request,
    state: &S,
) -> Result<T, Failed> {
    let (headers, bytes) = whole(request, state).await?;
    if bytes.is_empty() { Ok(T::default()) } else { json(&headers, &bytes) }
}

async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<(HeaderMap, Bytes), Failed> {
    let headers = request.headers().clone();
    let bytes = Bytes::from_request(request, state).await.map_err(|refused| {
        let code = match refused.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "too_large",
            _ => "unreadable_body",
        };
        Failed::new(Problem::new(refused.status(), code, refused.body_text()))
    })?;
    Ok((headers, bytes))
}

/// Reads a body that is at hand.
///
/// # Errors
/// A problem with status 415 if it is not declared as JSON, 400 if it is none, 422 if it says
/// something else than is asked for.
pub(super) fn json<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, Failed> {
    if !is_json(headers) {
        let problem = Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body is not declared as JSON",
        );
        return Err(Failed::new(problem.next("send content-type: application/json")));
    }
    serde_json::from_slice(bytes).map_err(|cause| {
        let (status, code) = if cause.is_data() {
            (StatusCode::UNPROCESSABLE_ENTITY, "invalid")
        } else {
            (StatusCode::BAD_REQUEST, "malformed_json")
        };
        Failed::new(Problem::new(status, code, format!("the body cannot be read: {cause}")))
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media = declared.and_then(|value| value.split(';').next()).map(str::trim);
    media.is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
}

/// The query of the URL. Unknown parameters are refused by the types that are read with it.
#[derive(Debug)]
pub(super) struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failed> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(refused) => Err(Failed::new(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                refused.body_text(),
            ))),
        }
    }
}

/// The client's key against doubles, from `Idempotency-Key`
/// (draft-ietf-httpapi-idempotency-key-header-06). Both the draft's quoted form and the bare form
/// that most clients send are taken.
///
/// # Errors
/// `Invalid` if it is not 1 to 255 visible ASCII characters.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    if text.is_empty() || text.len() > 255 {
        return Err(Error::invalid("the Idempotency-Key is not 1 to 255 visible characters"));
    }
    Ok(Some(text.to_owned()))
}

/// How long the client is willing to wait for the job to come to rest, from `Prefer: wait=SECONDS`
/// ([RFC 7240](https://www.rfc-editor.org/rfc/rfc7240#section-4.3)); at most a minute.
pub(super) fn wait(headers: &HeaderMap) -> Duration {
    let preferences = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let seconds = preferences
        .flat_map(|value| value.split([',', ';']))
        .find_map(|preference| preference.trim().strip_prefix("wait=")?.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(0)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(
            axum::http::HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )])
    }

    #[test]
    fn a_key_is_read_bare_or_quoted() {
        for text in ["k-1", "\"k-1\"", " k-1 "] {
            let key = idempotency_key(&headers("idempotency-key", text)).unwrap();
            assert_eq!(key.as_deref(), Some("k-1"));
        }
        assert!(idempotency_key(&headers("idempotency-key", "\"\"")).is_err());
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn a_wait_is_bounded() {
        assert_eq!(wait(&headers("prefer", "respond-async, wait=5")).as_secs(), 5);
        assert_eq!(wait(&headers("prefer", "wait=999999")).as_secs(), 60);
        assert_eq!(wait(&headers("prefer", "wait=-1")).as_secs(), 0);
        assert_eq!(wait(&HeaderMap::new()).as_secs(), 0);
    }

    #[test]
    fn only_json_is_json() {
        assert!(is_json(&headers("content-type", "application/json; charset=utf-8")));
        assert!(!is_json(&headers("content-type", "text/plain")));
        assert!(!is_json(&HeaderMap::new()));
    }
}
