//! Every error of the API as a problem document,
//! [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457).

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use matrix_architect_core::error::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// A problem document. `code` is stable and for machines, `detail` for people, `next_action` says
/// what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// A URN that names the class of the problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The class in words, the same for every problem of it.
    pub title: String,
    /// The status of the response.
    pub status: u16,
    /// The class as a word, such as `self_approval`.
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<String>,
    /// The request's id, as in the response's `x-request-id`; filled in by the server's outer layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl Problem {
    /// A problem of its parts.
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:matrix-architect:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            next_action: None,
            request_id: None,
        }
    }

    /// Says what to do about it.
    #[must_use]
    pub fn next(mut self, action: impl Into<String>) -> Self {
        self.next_action = Some(action.into());
        self
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The status an error has over HTTP.
pub fn status_of(error: &Error) -> StatusCode {
    match (error.kind(), error.code_str()) {
        (_, "unauthenticated") => StatusCode::UNAUTHORIZED,
        (_, "too_large") => StatusCode::PAYLOAD_TOO_LARGE,
        // The same key with another body: the idempotency key draft asks for 422.
        (_, "idempotency_mismatch") | (ErrorKind::Invalid, _) => StatusCode::UNPROCESSABLE_ENTITY,
        (ErrorKind::NotFound, _) => StatusCode::NOT_FOUND,
        (ErrorKind::Denied, _) => StatusCode::FORBIDDEN,
        (ErrorKind::AlreadyExists | ErrorKind::Conflict | ErrorKind::Fenced, _) => {
            StatusCode::CONFLICT
        }
        (ErrorKind::Unsupported, _) => StatusCode::NOT_IMPLEMENTED,
        (ErrorKind::RateLimited, _) => StatusCode::TOO_MANY_REQUESTS,
        (ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Cancelled, _) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl From<&Error> for Problem {
    fn from(error: &Error) -> Self {
        let status = status_of(error);
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            // What nobody foresaw goes into the log with its causes, and not to strangers.
            tracing::error!(error = ?error, "request failed");
            return Self::new(status, "unexpected", "something went wrong here")
                .next("give the request id to whoever runs this server");
        }
        let mut problem = Self::new(status, error.code_str(), error.to_string());
        problem.next_action = error.advice_str().map(ToOwned::to_owned);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status_code();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"architect\""),
            );
        }
        // The outer layer writes the request id into the document it finds here.
        response.extensions_mut().insert(self);
        response
    }
}

/// An error on its way out of a handler.
#[derive(Debug)]
pub(super) struct Failed(Box<Response>);

impl Failed {
    /// A failure that is a problem already.
    pub(super) fn new(problem: Problem) -> Self {
        Self(Box::new(problem.into_response()))
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        let mut failed = Self::new(Problem::from(&error));
        if let Some(delay) = error.retry_delay() {
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            failed.0.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        failed
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        *self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_has_the_status_a_client_can_act_on() {
        let cases = [
            (ErrorKind::NotFound, 404),
            (ErrorKind::AlreadyExists, 409),
            (ErrorKind::Conflict, 409),
            (ErrorKind::Invalid, 422),
            (ErrorKind::Denied, 403),
            (ErrorKind::Unsupported, 501),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::RateLimited, 429),
            (ErrorKind::Unexpected, 500),
        ];
        for (kind, status) in cases {
            assert_eq!(status_of(&Error::new(kind, "x")).as_u16(), status, "{kind}");
        }
        let nobody = Error::new(ErrorKind::Denied, "x").code("unauthenticated");
        assert_eq!(status_of(&nobody), StatusCode::UNAUTHORIZED);
    }

    #[test]
    fn what_nobody_foresaw_is_not_told_to_strangers() {
        let error = Error::unexpected("the lock of /srv/secret-project is poisoned");
        let problem = Problem::from(&error);
        assert_eq!(problem.status, 500);
        assert!(!serde_json::to_string(&problem).unwrap().contains("secret-project"));
    }

    #[test]
    fn advice_becomes_the_next_action() {
        let error = Error::invalid("no such stage").advice("one of PLAN, PATCH");
        assert_eq!(Problem::from(&error).next_action.as_deref(), Some("one of PLAN, PATCH"));
    }
}
