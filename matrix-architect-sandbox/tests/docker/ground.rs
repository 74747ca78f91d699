//! What the tests stand on: a sandbox, and eyes on the engine.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{
        Harness, Serves,
        sandbox::{Isolates, Programs},
    },
    time::Timestamp,
    traits::{Command, Limits, Sandbox},
};
use matrix_architect_sandbox::{
    docker::{DockerConfig, DockerSandbox},
    egress::ProxyConfig,
};

use crate::alone::skip;
use crate::image::{self, docker};

/// Prints what a URL says; asks the proxy that the environment names.
const FETCH: &str =
    "import sys, urllib.request as u; print(u.urlopen(sys.argv[1], timeout=5).read().decode())";

/// A fresh Docker sandbox and a secret on the host.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) sandbox: DockerSandbox,
    secret: tempfile::NamedTempFile,
}

impl Ground {
    /// `None`, and said so, where there is no engine.
    pub(crate) async fn here() -> Option<Self> {
        Self::with(|config| config).await
    }

    pub(crate) async fn with(change: fn(DockerConfig) -> DockerConfig) -> Option<Self> {
        if docker(&["version"]).is_none() {
            skip("there is no Docker engine, or it may not be used");
            return None;
        }
        image::ensure(image::IMAGE, &image::Files::new());
        let secret = tempfile::NamedTempFile::new().unwrap();
        fs::write(&secret, "the host's secret").unwrap();
        let sandbox = DockerSandbox::connect(change(config())).await.unwrap();
        Some(Self { sandbox, secret })
    }

    /// A file of the host's `/tmp` that nobody inside may see.
    pub(crate) fn secret(&self) -> &Path {
        self.secret.path()
    }
}

pub(crate) fn config() -> DockerConfig {
    let proxy = ["allowed.test", "refused.test"]
        .into_iter()
        .fold(ProxyConfig::default(), |proxy, name| proxy.host(name, Ipv4Addr::LOCALHOST.into()));
    DockerConfig::new(image::IMAGE).proxy(proxy)
}

/// Containers and volumes with a label.
pub(crate) fn labelled(label: &str) -> Vec<String> {
    let filter = format!("label={label}");
    let containers = docker(&[
        "ps",
        "--all",
        "--format",
        "{{.ID}} {{.Status}} {{.Labels}}",
        "--filter",
        &filter,
    ]);
    let volumes = docker(&["volume", "ls", "--quiet", "--filter", &filter]);
    let lines = |text: Option<String>| text.unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    [lines(containers), lines(volumes)].concat()
}

#[async_trait]
impl Harness for Ground {
    async fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    async fn elapse(&mut self, _duration: Duration) {}

    async fn reopen(&mut self) {}
}

impl Serves<dyn Sandbox> for Ground {
    fn backend(&self) -> Arc<dyn Sandbox> {
        Arc::new(self.sandbox.clone())
    }
}

#[async_trait]
impl Isolates for Ground {
    fn programs(&self) -> Option<Programs> {
        Some(Programs {
            fetch: |url| Command::new(["python3", "-I", "-c", FETCH, url]),
            serve: |port| {
                let port = port.to_string();
                Command::new(["python3", "-I", "-m", "http.server", "--bind", "127.0.0.1", &port])
            },
            listen: || std::net::TcpListener::bind("127.0.0.1:0").unwrap(),
        })
    }

    fn hidden(&self) -> Vec<PathBuf> {
        let mut hidden = vec![self.secret().to_owned(), std::env::current_exe().unwrap()];
        hidden.extend(["/var/lib", "/run/docker.sock", "/etc/shadow"].map(PathBuf::from));
        hidden.retain(|path| path.exists());
        hidden
    }

    fn beyond_its_means(&self) -> Option<(Arc<dyn Sandbox>, Limits)> {
        // A command with a disk of its own: see `refusals`.
        None
    }

    async fn leftovers(&self) -> Vec<String> {
        let label = self.sandbox.label();
        tokio::task::spawn_blocking(move || labelled(&label)).await.unwrap()
    }
}
