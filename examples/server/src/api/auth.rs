//! Who asks: a bearer token on every route but the health checks.

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, header, request::Parts},
    middleware::Next,
    response::Response,
};
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    principal::Principal,
};

use super::{App, problem::Failed};

/// The principal that a request acts as.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub Principal);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failed> {
        // Only a route that was put outside the layer below could lack it; it is then closed.
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Failed::from(missing()))
    }
}

/// Lets a request through with its principal, or not at all.
///
/// # Errors
/// A problem with status 401 if there is no token or it is not known.
pub(super) async fn authenticate(
    State(app): State<App>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failed> {
    let token = bearer(request.headers()).ok_or_else(missing)?.to_owned();
    let principal = app.tokens.authenticate(&token).await?;
    tracing::Span::current().record("principal", principal.id.as_str());
    request.extensions_mut().insert(Caller(principal));
    Ok(next.run(request).await)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
}

fn missing() -> Error {
    Error::new(ErrorKind::Denied, "the request has no bearer token")
        .code("unauthenticated")
        .advice("send authorization: Bearer TOKEN")
}
