//! What the tests stand on: a cluster with one node on this machine, or one that was named.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::ListParams,
    config::{KubeConfigOptions, Kubeconfig},
};
use matrix_architect_cluster::{Cluster, Options};
use matrix_architect_core::{
    conformance::{
        Harness, Serves,
        sandbox::{Isolates, Programs},
    },
    id::SessionId,
    time::Timestamp,
    traits::{Limits, Sandbox, SessionSpec},
};
use matrix_architect_sandbox::kubernetes::{KubernetesConfig, KubernetesSandbox};
use serde_json::json;

/// A sandbox on a cluster, and a secret on the host.
#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) sandbox: KubernetesSandbox,
    pub(crate) cluster: Option<Cluster>,
    pub(crate) config: KubernetesConfig,
    folder: tempfile::TempDir,
}

/// The image of sessions on our own cluster.
pub(crate) fn image() -> String {
    format!("registry.test/base@sha256:{}", "a".repeat(64))
}

impl Ground {
    pub(crate) async fn new() -> Self {
        Self::with(Options::new([image()])).await
    }

    pub(crate) async fn older() -> Self {
        let mut options = Options::new([image()]);
        options.protocols = vec!["v4.channel.k8s.io"];
        Self::with(options).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let (cluster, config, folder) = Self::cluster(options).await;
        let sandbox = KubernetesSandbox::connect(config.clone()).await.unwrap();
        Self { sandbox, cluster: Some(cluster), config, folder }
    }

    /// A cluster whose namespace asks for the restricted profile, and how to reach it.
    pub(crate) async fn cluster(
        options: Options,
    ) -> (Cluster, KubernetesConfig, tempfile::TempDir) {
        let user = options.users[0].0.clone();
        let cluster = Cluster::start(options).await.unwrap();
        cluster
            .namespace("architect", &json!({ "pod-security.kubernetes.io/enforce": "restricted" }));
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        fs::write(&kubeconfig, cluster.kubeconfig(&user)).unwrap();
        let mut config = KubernetesConfig::new(image());
        config.kubeconfig = Some(kubeconfig);
        config.beat = Duration::from_millis(100);
        (cluster, config, folder)
    }

    /// The cluster that the environment names, with an image that it can pull; its namespace
    /// `architect` exists. No machine of ours has one, so that nothing fails without it.
    #[expect(clippy::disallowed_methods, reason = "who runs the tests names a cluster")]
    pub(crate) async fn given() -> Option<Self> {
        let (Ok(kubeconfig), Ok(image)) =
            (std::env::var("ARCHITECT_KUBECONFIG"), std::env::var("ARCHITECT_SANDBOX_IMAGE"))
        else {
            eprintln!(
                "SKIPPED: no cluster in ARCHITECT_KUBECONFIG with an ARCHITECT_SANDBOX_IMAGE"
            );
            return None;
        };
        let mut config = KubernetesConfig::new(image);
        config.kubeconfig = Some(kubeconfig.into());
        let sandbox = KubernetesSandbox::connect(config.clone()).await.unwrap();
        Some(Self { sandbox, cluster: None, config, folder: tempfile::tempdir().unwrap() })
    }

    /// The Pods of the sandbox's namespace.
    pub(crate) async fn pods(&self) -> Api<Pod> {
        let path = self.config.kubeconfig.as_ref().unwrap();
        let kubeconfig = Kubeconfig::read_from(path).unwrap();
        let options = KubeConfigOptions::default();
        let settings = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
        Api::namespaced(Client::try_from(settings).unwrap(), &self.config.namespace)
    }
}

/// A session with small bounds.
pub(crate) fn spec() -> SessionSpec {
    let mut spec = SessionSpec::new(SessionId::from_number(1));
    spec.limits = Limits::default()
        .wall(Duration::from_mins(1))
        .memory(256 << 20)
        .disk(64 << 20)
        .processes(64)
        .output(1 << 20);
    spec
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
        None
    }

    fn hidden(&self) -> Vec<PathBuf> {
        let secret = self.folder.path().join("secret");
        fs::write(&secret, "the host's secret").unwrap();
        let mut hidden = vec![secret, std::env::current_exe().unwrap()];
        // An image that was given may have folders of these names for itself.
        if self.cluster.is_some() {
            hidden.extend(["/var/lib", "/run", "/etc/shadow"].map(PathBuf::from));
        }
        hidden.retain(|path| path.exists());
        hidden
    }

    fn way_out(&self) -> Option<String> {
        if self.cluster.is_some() {
            return None;
        }
        // Pods of a real cluster have an interface, which a policy closes. We reach the API server,
        // or there would be no session.
        let kubeconfig = Kubeconfig::read_from(self.config.kubeconfig.as_ref().unwrap()).unwrap();
        let server = kubeconfig.clusters[0].cluster.as_ref().unwrap().server.clone().unwrap();
        let (host, port) = server.trim_start_matches("https://").rsplit_once(':').unwrap();
        Some(format!(
            "command -v bash timeout || exit 4; timeout 5 bash -c ': </dev/tcp/{host}/{port}' && exit 0; exit 3"
        ))
    }

    fn beyond_its_means(&self) -> Option<(Arc<dyn Sandbox>, Limits)> {
        // More than any process may open, whose limit then cannot be read back.
        let mut limits = spec().limits;
        limits.open_files = u32::MAX;
        Some((self.backend(), limits))
    }

    async fn leftovers(&self) -> Vec<String> {
        let ours = ListParams::default().labels("app.kubernetes.io/component=sandbox");
        let pods = self.pods().await.list(&ours).await.unwrap();
        let named = pods.items.into_iter().map(|pod| format!("Pod {}", pod.metadata.name.unwrap()));
        named.chain(self.cluster.iter().flat_map(Cluster::running)).collect()
    }
}
