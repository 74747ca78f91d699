//! Asking a service over HTTP whether it serves.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, Response, Uri,
    body::{Body, Incoming},
    client::conn::http1,
    header::{HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use matrix_architect_core::error::Result;
use tokio::{net::TcpStream, time::timeout};

use super::{
    config::{HttpProbe, wrong},
    gate::Look,
};

/// How much of an answer is read.
const ANSWER_CAP: usize = 64 << 10;

/// Where to ask.
#[derive(Clone, Debug)]
pub(super) struct Target {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Target {
    /// Takes an `http` URL apart.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let bad = || {
            wrong("health.http.url", "not an http URL")
                .advice("give a URL such as http://127.0.0.1:8000/health")
        };
        let uri: Uri = url.parse().map_err(|_| bad())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("http"));
        let authority = authority.filter(|name| !name.as_str().contains('@')).ok_or_else(bad)?;
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }
}

/// Asks once.
pub(super) async fn look(probe: &HttpProbe, version: &str, patience: Duration) -> Look {
    let Ok(target) = Target::parse(&probe.url) else {
        return Look::Fatal("the health check's URL is wrong".to_owned());
    };
    match timeout(patience, ask(&target)).await {
        Ok(Ok(answer)) => judge(probe, version, &answer),
        Ok(Err(reason)) => Look::Bad(format!("{} does not answer: {reason}", probe.url)),
        Err(_) => Look::Bad(format!("{} gave no answer in {patience:?}", probe.url)),
    }
}

fn judge(probe: &HttpProbe, version: &str, answer: &Response<Bytes>) -> Look {
    let said = probe.version_header.as_ref().map(|name| {
        let value = answer.headers().get(name.as_str()).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().chars().take(100).collect::<String>()
    });
    if answer.status().as_u16() != probe.expect_status {
        let status = answer.status().as_u16();
        return Look::Bad(format!("{} answered {status}", probe.url));
    }
    if said.as_ref().is_some_and(|said| said != version) {
        let said = said.unwrap_or_default();
        return Look::Bad(format!("{} answered as version '{said}'", probe.url));
    }
    let missing = |text: &&String| {
        !answer.body().windows(text.len().max(1)).any(|part| part == text.as_bytes())
    };
    match probe.contains.as_ref().filter(|text| !text.is_empty()).filter(missing) {
        Some(text) => Look::Bad(format!("{} answered without '{text}'", probe.url)),
        None => Look::Good(said),
    }
}

async fn ask(target: &Target) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect((target.host.as_str(), target.port)).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(&target.path)
        .header(HOST, HeaderValue::from_str(&target.authority)?)
        .header(USER_AGENT, HeaderValue::from_static("matrix-architect"))
        .body(Empty::<Bytes>::new())?;
    let connection = tokio::spawn(connection);
    let answer = async { read(sender.send_request(request).await?).await }.await;
    connection.abort();
    answer
}

async fn read(
    answer: Response<Incoming>,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = answer.into_parts();
    let large = body.size_hint().lower() > ANSWER_CAP as u64;
    let mut body = Limited::new(body, ANSWER_CAP);
    let mut content = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => content.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new())),
            // Beyond the cap the answer is judged by what was read.
            Err(_) if large || !content.is_empty() => break,
            Err(error) => return Err(error),
        }
    }
    Ok(Response::from_parts(head, content.into()))
}
