//! The API from the other side: what the command says to a server.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode, Uri, body::Incoming, header};
use hyper_util::rt::TokioIo;
use matrix_architect_core::{
    artifact::Artifact,
    error::{Error, ErrorKind, Result},
    id::JobId,
    job::{Job, JobStatus},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::TcpStream;

use crate::api::{ListParams, Piece, Problem, log_headers};

const CONNECT: Duration = Duration::from_secs(10);

/// A server and the token to talk to it. `Debug` does not show the token.
#[derive(Clone)]
pub struct Client {
    base: Uri,
    token: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

/// An answer that was not a problem.
type Response = hyper::Response<Incoming>;

impl Client {
    /// A client of the server at `url`.
    ///
    /// # Errors
    /// `Invalid` unless the URL is `http://HOST[:PORT]`, `Unsupported` for `https`.
    pub fn new(url: &str, token: String) -> Result<Self> {
        let advice = "write it as http://HOST:PORT";
        let base: Uri = url.trim_end_matches('/').parse().map_err(|cause| {
            Error::invalid("the server's address is no URL").advice(advice).source(Box::new(cause))
        })?;
        match base.scheme_str() {
            Some("http") if base.host().is_some() => Ok(Self { base, token }),
            Some("https") => Err(Error::new(
                ErrorKind::Unsupported,
                "the command speaks plain HTTP only, to a server on this machine or in a tunnel",
            )
            .advice(advice)),
            _ => Err(Error::invalid("the server's address is no HTTP URL").advice(advice)),
        }
    }

    /// Jobs, newest first.
    ///
    /// # Errors
    /// What the server says, or `Unavailable` if it does not answer.
    pub async fn jobs(&self, params: &ListParams) -> Result<Vec<Job>> {
        let status = params.status.map(JobStatus::as_str).map(|status| format!("&status={status}"));
        let limit = params.limit.unwrap_or(50);
        self.get(&format!("/jobs?limit={limit}{}", status.unwrap_or_default())).await
    }

    /// A job.
    ///
    /// # Errors
    /// As [`Client::jobs`].
    pub async fn job(&self, id: &JobId) -> Result<Job> {
        self.get(&format!("/jobs/{id}")).await
    }

    /// A decision on a job: `approve`, `refuse`, `cancel` or `resolve`, with the body it takes.
    ///
    /// # Errors
    /// As [`Client::jobs`].
    pub async fn decide(
        &self,
        id: &JobId,
        decision: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<Job> {
        let body = serde_json::to_vec(body)
            .map_err(|cause| Error::unexpected("the request has no JSON form").source(cause))?;
        let path = format!("/jobs/{id}/{decision}");
        json(self.send(Method::POST, &path, Some(body.into())).await?).await
    }

    /// The names of a job's logs.
    ///
    /// # Errors
    /// As [`Client::jobs`].
    pub async fn log_names(&self, id: &JobId) -> Result<Vec<String>> {
        self.get(&format!("/jobs/{id}/logs")).await
    }

    /// A piece of a log.
    ///
    /// # Errors
    /// As [`Client::jobs`].
    pub async fn log(&self, id: &JobId, name: &str, from: u64) -> Result<Piece> {
        let path = format!("/jobs/{id}/logs/{}?from={from}", segment(name)?);
        let response = self.send(Method::GET, &path, None).await?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let end = header(log_headers::END).and_then(|end| end.parse().ok()).unwrap_or(from);
        let sealed = header(log_headers::SEALED) == Some("true");
        Ok(Piece { bytes: bytes(response).await?.into(), end, sealed })
    }

    /// What a job left behind.
    ///
    /// # Errors
    /// As [`Client::jobs`].
    pub async fn artifacts(&self, id: &JobId) -> Result<Vec<Artifact>> {
        self.get(&format!("/artifacts/{id}")).await
    }

    /// An artifact's content.
    ///
    /// # Errors
    /// As [`Client::jobs`].
    pub async fn artifact(&self, id: &JobId, name: &str) -> Result<Bytes> {
        let path = format!("/artifacts/{id}/{}", segment(name)?);
        bytes(self.send(Method::GET, &path, None).await?).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        json(self.send(Method::GET, path, None).await?).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Response> {
        let authority = self.base.authority().map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base.path().trim_end_matches('/')))
            .header(header::HOST, &authority)
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body.unwrap_or_default())).map_err(|cause| {
            // The token is the only part that may hold what no header can.
            Error::invalid("the token cannot be sent").source(cause)
        })?;
        let mut sender = self.connect().await?;
        let response =
            sender.send_request(request).await.map_err(|cause| self.unreachable(cause))?;
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }

    async fn connect(&self) -> Result<hyper::client::conn::http1::SendRequest<Full<Bytes>>> {
        let host = self.base.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.base.port_u16().unwrap_or(80);
        let stream = tokio::time::timeout(CONNECT, TcpStream::connect((host, port)))
            .await
            .map_err(|late| self.unreachable(late))?
            .map_err(|cause| self.unreachable(cause))?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|cause| self.unreachable(cause))?;
        // It ends with the sender; what goes wrong on it is the sender's answer.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn unreachable(&self, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::new(ErrorKind::Unavailable, "the server does not answer")
            .context("server", &self.base)
            .advice("start it with: architect serve")
            .source(Box::new(cause))
    }
}

async fn bytes(response: Response) -> Result<Bytes> {
    let collected = response.into_body().collect().await.map_err(|cause| {
        Error::new(ErrorKind::Unavailable, "the answer broke off").source(Box::new(cause))
    })?;
    Ok(collected.to_bytes())
}

async fn json<T: DeserializeOwned>(response: Response) -> Result<T> {
    serde_json::from_slice(&bytes(response).await?).map_err(|cause| {
        Error::unexpected("the server's answer is not understood")
            .advice("is it an architect server of this version?")
            .source(cause)
    })
}

/// The server's problem document as the error it was there.
async fn refused(response: Response) -> Error {
    let status = response.status();
    let kind = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Denied,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT => ErrorKind::Conflict,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY => ErrorKind::Unavailable,
        status if status.is_client_error() => ErrorKind::Invalid,
        _ => ErrorKind::Unexpected,
    };
    let problem: Option<Problem> =
        bytes(response).await.ok().and_then(|body| serde_json::from_slice(&body).ok());
    match problem {
        Some(problem) => {
            // The detail ends with the advice already.
            Error::new(kind, problem.detail).code(problem.code)
        }
        None => Error::new(kind, "the server refused without a reason").context("status", status),
    }
}

/// A name as one segment of a path.
fn segment(name: &str) -> Result<String> {
    use std::fmt::Write as _;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if name.is_empty() || matches!(name, "." | "..") {
        return Err(Error::not_found("there is nothing of this name").context("name", name));
    }
    Ok(name.bytes().fold(String::new(), |mut text, byte| {
        if plain(byte) {
            text.push(byte as char);
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    }))
}
