//! What the tests stand on: a sandbox, and eyes on the engine.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
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
    docker::{ContainerRuntime, DockerConfig, DockerSandbox},
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
    is_on_gvisor: bool,
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
        let config = change(config());
        let is_on_gvisor = config.runtime == ContainerRuntime::GVisor;
        let sandbox = DockerSandbox::connect(config).await.unwrap();
        Some(Self { sandbox, is_on_gvisor, secret })
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

const BEING_REMOVED: &str = "Removal In Progress";

/// Containers and volumes with a label, but for containers that are gone: the engine may list one for
/// ever as being removed that it does not know any more.
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
    let mut left = lines(containers);
    left.retain(|line| {
        let id = line.split(' ').next().unwrap();
        !line.contains(BEING_REMOVED) || docker(&["inspect", "--type", "container", id]).is_some()
    });
    left.extend(lines(volumes));
    left
}

/// Checks that what has a label is gone or on its way out, and waits until it is out: what the engine was
/// told to remove by somebody else, such as another test's reaper, it removes by itself.
pub(crate) fn all_are_gone(label: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let left = labelled(label);
        // A space is freed when the last container that has it is out.
        let is_going = |what: &String| what.contains(BEING_REMOVED) || !what.contains(' ');
        let on_their_way = left.iter().any(|what| what.contains(' '));
        assert!(left.iter().all(is_going) && (on_their_way || left.is_empty()), "{left:?}");
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < until, "{left:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
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

    /// gVisor's kernel does not say that it refused a process.
    fn tells_refused_processes(&self) -> bool {
        !self.is_on_gvisor
    }

    async fn leftovers(&self) -> Vec<String> {
        let label = self.sandbox.label();
        tokio::task::spawn_blocking(move || labelled(&label)).await.unwrap()
    }
}
