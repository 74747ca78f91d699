//! The server: its socket, who asks, and where questions go.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{FromRequestParts as _, Request, State, ws::WebSocketUpgrade},
    http::Method,
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    answer::{Refusal, Result},
    api::{self, Asked},
    discovery,
    kubelet::Kubelet,
    options::{Options, Rights},
    request::{Query, Target},
    store::Store,
};

/// A cluster that runs. Dropping it stops it, and all that runs in it.
#[derive(Debug)]
pub struct Cluster {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: CancellationToken,
    serving: JoinHandle<()>,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) options: Options,
    pub(crate) kubelet: Kubelet,
    /// Users by their tokens.
    tokens: BTreeMap<String, (String, Rights)>,
    pub(crate) stop: CancellationToken,
}

impl Cluster {
    /// Starts a cluster on a free port of the loopback interface, with the namespace `default`.
    ///
    /// # Errors
    /// What the machine says if there is no port or no temporary folder.
    pub async fn start(options: Options) -> io::Result<Self> {
        Self::start_at(options, "127.0.0.1:0".parse().map_err(io::Error::other)?).await
    }

    /// Starts a cluster at an address.
    ///
    /// # Errors
    /// What the machine says if the address cannot be taken or there is no temporary folder.
    pub async fn start_at(options: Options, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let tokens =
            options.users.iter().map(|(name, rights)| (token(), (name.clone(), rights.clone())));
        let shared = Arc::new(Shared {
            store: Store::new(options.history),
            kubelet: Kubelet::new(&options)?,
            tokens: tokens.collect(),
            stop: stop.clone(),
            options,
        });
        api::namespace(&shared, "default", &json!({}));
        tokio::spawn(Kubelet::work(Arc::clone(&shared)));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let until = stop.clone();
        let serving = tokio::spawn(async move {
            let serving = axum::serve(listener, router);
            tokio::select! {
                _ = serving => {}
                () = until.cancelled() => {}
            }
        });
        Ok(Self { shared, address, stop, serving })
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A kubeconfig of a user of the options.
    pub fn kubeconfig(&self, user: &str) -> String {
        let token = self.shared.tokens.iter().find(|(_, (name, _))| name == user);
        let token = token.map_or("", |(token, _)| token.as_str());
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": { "server": format!("http://{}", self.address) } }],
            "users": [{ "name": user, "user": { "token": token } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": user, "namespace": "default" } }],
            "current-context": "test",
        });
        config.to_string()
    }

    /// Adds a namespace with labels, such as those of Pod Security.
    pub fn namespace(&self, name: &str, labels: &Value) {
        api::namespace(&self.shared, name, labels);
    }

    /// What runs on the node at the moment: processes and folders, by name.
    pub fn running(&self) -> Vec<String> {
        self.shared.kubelet.running()
    }

    /// Ends the server and cuts its connections, but not what runs on the node: a control plane
    /// that is gone.
    pub fn cut(&self) {
        self.stop.cancel();
        self.serving.abort();
    }

    /// Ends the server and all that runs on the node.
    pub async fn stop(&self) {
        self.cut();
        self.shared.kubelet.stop().await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.cut();
        self.shared.kubelet.kill_all();
    }
}

/// A token nobody can guess.
fn token() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap_or_default();
    format!("{:032x}", u128::from_le_bytes(bytes))
}

/// Bodies are no larger, as with the real server.
const BODY: usize = 3 << 20;

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    match answered(&shared, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn answered(shared: &Arc<Shared>, request: Request) -> Result<Response> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    if matches!(path.as_str(), "/healthz" | "/readyz" | "/livez") {
        return Ok("ok".into_response());
    }
    let header = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|header| header.strip_prefix("Bearer "));
    let (user, rights) = asking(shared, header.is_none(), token)?;
    if let Some(document) = described(&path) {
        return document.map(|document| Json(document).into_response());
    }
    let (target, query) = (Target::parse(&path)?, Query::parse(&parts.uri));
    let verb = target.verb(&parts.method, &query)?;
    if parts.method == Method::GET && verb == "create" {
        // A websocket begins with a GET: since 1.35 it needs the right to that, and to what it does.
        authorize(user, rights, "get", &target)?;
    }
    authorize(user, rights, verb, &target)?;
    let websocket = WebSocketUpgrade::from_request_parts(&mut parts, &()).await.ok();
    let body = to_bytes(body, BODY)
        .await
        .map_err(|_| Refusal::new(413, "RequestEntityTooLarge", "the request is too large"))?;
    let accept =
        parts.headers.get("accept").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let content =
        parts.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = Asked {
        verb,
        target: &target,
        query: &query,
        body: &body,
        as_table: accept.contains("as=Table"),
        content: content.split(';').next().unwrap_or_default(),
    };
    api::answer(shared, &asked, websocket).await
}

/// Who asks, and what that user may do.
fn asking<'a>(
    shared: &'a Shared,
    is_anonymous: bool,
    token: Option<&str>,
) -> Result<(&'a str, &'a Rights)> {
    let known = token.and_then(|token| shared.tokens.get(token));
    let known = known.map(|(user, rights)| (user.as_str(), rights));
    let anonymous = shared.options.anonymous.as_ref().filter(|_| is_anonymous);
    known
        .or_else(|| anonymous.map(|rights| ("system:anonymous", rights)))
        .ok_or_else(|| Refusal::new(401, "Unauthorized", "Unauthorized"))
}

/// What the server says about itself at a path, if it does.
fn described(path: &str) -> Option<Result<Value>> {
    let found = match path.trim_end_matches('/') {
        "/version" => discovery::version(),
        "/api" => discovery::core(),
        "/apis" => discovery::groups(),
        "/openapi/v3" => discovery::openapi_index(),
        "/api/v1" => discovery::resources("", "v1")?,
        other => {
            if let Some(prefix) = other.strip_prefix("/openapi/v3/") {
                return Some(discovery::openapi(prefix).ok_or_else(Refusal::no_such_path));
            }
            let (group, version) = other.strip_prefix("/apis/")?.split_once('/')?;
            discovery::resources(group, version)?
        }
    };
    Some(Ok(found))
}

fn authorize(user: &str, rights: &Rights, verb: &str, target: &Target) -> Result<()> {
    let resource = target.resource();
    let is_denied = match rights {
        Rights::All => false,
        Rights::AllBut(denied) => {
            denied.iter().any(|(denied, on)| denied == verb && *on == resource)
        }
    };
    if !is_denied {
        return Ok(());
    }
    let place = target.namespace.as_ref().map_or_else(
        || "at the cluster scope".to_owned(),
        |namespace| format!("in the namespace \"{namespace}\""),
    );
    let named = target.name.as_ref().map_or_else(
        || target.kind.resource.to_owned(),
        |name| format!("{} \"{name}\"", target.kind.resource),
    );
    let message = format!(
        "{named} is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\" in API group \"{}\" {place}",
        target.kind.group
    );
    Err(Refusal::new(403, "Forbidden", message))
}

/// An answer that is a stream of lines.
pub(crate) fn lines(body: Body, kind: &'static str) -> Response {
    ([("content-type", kind)], body).into_response()
}
