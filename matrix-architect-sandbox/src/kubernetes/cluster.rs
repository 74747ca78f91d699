//! The thin client: calls to the API server, and nothing decided.

use std::{net::SocketAddr, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::{
    core::v1::{Event, Pod},
    networking::v1::NetworkPolicy,
};
use kube::{
    Api, Client,
    api::{
        AttachParams, AttachedProcess, DeleteParams, ListParams, Patch, PatchParams, PostParams,
        WatchEvent, WatchParams,
    },
    config::{KubeConfigOptions, Kubeconfig},
};
use matrix_architect_core::error::{Error, ErrorKind, Result};
use serde_json::{Value, json};

use super::{
    config::KubernetesConfig,
    fault::fault,
    phase::{End, Phase, phase},
    render,
};

/// A namespace of a cluster.
#[derive(Clone)]
pub(super) struct Cluster {
    pods: Api<Pod>,
    policies: Api<NetworkPolicy>,
    events: Api<Event>,
    namespace: String,
    /// Where a Pod would find the API server, if it could reach anything.
    pub(super) server: Option<SocketAddr>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

/// How long one watch lasts before it is begun anew, in seconds.
const WATCH: u32 = 60;

impl Cluster {
    pub(super) async fn connect(config: &KubernetesConfig) -> Result<Self> {
        let mut settings = settings(config).await?;
        // A server that is gone is told within seconds, and a command may be silent for long.
        settings.connect_timeout = Some(Duration::from_secs(10));
        settings.read_timeout = None;
        let server = server(&settings).await;
        let client = Client::try_from(settings).map_err(|cause| {
            unusable("the settings of the cluster cannot be used").source(cause)
        })?;
        let namespace = config.namespace.clone();
        Ok(Self {
            pods: Api::namespaced(client.clone(), &namespace),
            policies: Api::namespaced(client.clone(), &namespace),
            events: Api::namespaced(client, &namespace),
            namespace,
            server,
        })
    }

    fn fault(&self, attempted: &'static str) -> impl FnOnce(kube::Error) -> Error {
        move |cause| fault(attempted, &self.namespace, cause)
    }

    /// Makes sure that the policy is there and is ours.
    pub(super) async fn isolate(&self) -> Result<()> {
        let wanted = render::network_policy(&self.namespace);
        let read = self.fault("the network policy of sessions cannot be read");
        let found = match self.policies.get_opt(render::POLICY).await.map_err(read)? {
            Some(found) => found,
            None => self.create_policy(&wanted).await?,
        };
        let found = serde_json::to_value(found.spec).map_err(no_json)?;
        if found == wanted["spec"] {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Denied, "the network policy of sessions is not what it must be")
            .code("policy_changed")
            .context("policy", render::POLICY)
            .context("namespace", &self.namespace)
            .advice("delete it, and it is made anew"))
    }

    async fn create_policy(&self, wanted: &Value) -> Result<NetworkPolicy> {
        let policy = serde_json::from_value(wanted.clone()).map_err(no_json)?;
        match self.policies.create(&PostParams::default(), &policy).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let read = self.fault("the network policy of sessions cannot be read");
                self.policies.get(render::POLICY).await.map_err(read)
            }
            other => other.map_err(self.fault("the network policy of sessions cannot be made")),
        }
    }

    pub(super) async fn create(&self, pod: &Value) -> Result<Pod> {
        let pod = serde_json::from_value(pod.clone()).map_err(no_json)?;
        let made = self.pods.create(&PostParams::default(), &pod).await;
        made.map_err(self.fault("the Pod of a session cannot be made"))
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Pod>> {
        let found = self.pods.get_opt(name).await;
        found.map_err(self.fault("the Pod of a session cannot be read"))
    }

    /// All sessions of the namespace.
    pub(super) async fn sessions(&self) -> Result<Vec<Pod>> {
        let which = ListParams::default().labels(render::SELECTOR);
        let found = self.pods.list(&which).await;
        Ok(found.map_err(self.fault("the Pods of sessions cannot be listed"))?.items)
    }

    /// Deletes a Pod; one that is gone is deleted. It stays visible until its processes have ended.
    pub(super) async fn delete(&self, name: &str) -> Result<()> {
        let now = DeleteParams::background();
        match self.pods.delete(name, &now).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(cause) => Err(self.fault("the Pod of a session cannot be deleted")(cause)),
        }
    }

    /// Says that the owner of a Pod is there.
    pub(super) async fn beat(&self, name: &str, count: u64) -> Result<()> {
        let patch = json!({ "metadata": { "annotations": { render::BEAT: count.to_string() } } });
        let patched = self.pods.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.map(drop).map_err(self.fault("the Pod of a session cannot be marked as alive"))
    }

    /// What the cluster says about a Pod, newest last.
    pub(super) async fn events(&self, name: &str) -> Vec<String> {
        let which = ListParams::default().fields(&format!("involvedObject.name={name}"));
        let Ok(found) = self.events.list(&which).await else { return Vec::new() };
        let said = |event: Event| {
            format!("{}: {}", event.reason.unwrap_or_default(), event.message.unwrap_or_default())
        };
        found.items.into_iter().map(said).collect()
    }

    /// Follows a Pod until `decided` says something. `None` is a Pod that is not there. A watch
    /// that ends or is too old is begun anew.
    pub(super) async fn follow<T>(
        &self,
        name: &str,
        mut decided: impl FnMut(Option<&Pod>) -> Option<T>,
    ) -> Result<T> {
        loop {
            let pod = self.get(name).await?;
            if let Some(decision) = decided(pod.as_ref()) {
                return Ok(decision);
            }
            let version = pod.and_then(|pod| pod.metadata.resource_version).unwrap_or_default();
            let which =
                WatchParams::default().fields(&format!("metadata.name={name}")).timeout(WATCH);
            let mut events = match self.pods.watch(&which, &version).await {
                Ok(events) => events.boxed(),
                Err(kube::Error::Api(status)) if status.code == 410 => continue,
                Err(cause) => {
                    return Err(self.fault("the Pod of a session cannot be watched")(cause));
                }
            };
            while let Ok(Some(event)) = events.try_next().await {
                let decision = match &event {
                    WatchEvent::Added(pod) | WatchEvent::Modified(pod) => decided(Some(pod)),
                    WatchEvent::Deleted(_) => decided(None),
                    WatchEvent::Bookmark(_) => None,
                    WatchEvent::Error(_) => break,
                };
                if let Some(decision) = decision {
                    return Ok(decision);
                }
            }
            // A server that ends watches at once is not asked in a tight loop.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Why a Pod has ended; `None` if it has not.
    pub(super) async fn end(&self, name: &str) -> Result<Option<End>> {
        Ok(match self.get(name).await? {
            None => Some(End::deleted()),
            Some(pod) => match phase(&pod) {
                Phase::Ended(end) => Some(end),
                _ => None,
            },
        })
    }

    /// Starts a program in a Pod.
    pub(super) async fn exec(&self, name: &str, argv: [&str; 3]) -> Result<AttachedProcess> {
        let streams = AttachParams::default()
            .container(render::CONTAINER)
            .stdin(true)
            .stdout(true)
            .stderr(true)
            .max_stdin_buf_size(BUFFER)
            .max_stdout_buf_size(BUFFER)
            .max_stderr_buf_size(BUFFER);
        let started = self.pods.exec(name, argv, &streams).await;
        started.map_err(self.fault("nothing can be run in the Pod of a session"))
    }
}

const BUFFER: usize = 64 << 10;

/// The address of the API server. One of a loopback, as tunnels have it, means something else in a
/// Pod; behind a proxy it may be nobody's but the proxy's.
async fn server(settings: &kube::Config) -> Option<SocketAddr> {
    if settings.proxy_url.is_some() {
        return None;
    }
    let host = settings.cluster_url.host()?.trim_matches(['[', ']']);
    let port = settings.cluster_url.port_u16().unwrap_or(443);
    let mut found = tokio::net::lookup_host((host, port)).await.ok()?;
    found.find(|address| !address.ip().is_loopback() && !address.ip().is_unspecified())
}

async fn settings(config: &KubernetesConfig) -> Result<kube::Config> {
    let Some(path) = &config.kubeconfig else {
        return kube::Config::incluster_dns().map_err(|cause| {
            unusable("there is no kubeconfig, and this is no Pod with a service account")
                .source(cause)
                .advice("name a kubeconfig, or run in the cluster under a service account")
        });
    };
    let flawed = |cause| {
        unusable("the kubeconfig cannot be used")
            .context("path", path.display())
            .source(cause)
            .advice("check it with: kubectl --kubeconfig FILE version")
    };
    let kubeconfig = Kubeconfig::read_from(path).map_err(flawed)?;
    let options = KubeConfigOptions { context: config.context.clone(), ..Default::default() };
    kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(flawed)
}

fn unusable(message: &'static str) -> Error {
    Error::invalid(message).code("no_cluster")
}

fn no_json(cause: serde_json::Error) -> Error {
    Error::unexpected("an object of the cluster cannot be written").source(cause)
}
