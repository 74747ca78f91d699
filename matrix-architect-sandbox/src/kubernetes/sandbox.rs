//! The sandbox: the way to the cluster, and opening sessions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Pod;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::SessionId,
    traits::{
        LimitReport, Limits, Network, Sandbox, SandboxCapabilities, Session, SessionSpec, Tree,
    },
};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    cluster::Cluster,
    config::KubernetesConfig,
    exec::Exec,
    facts::Facts,
    phase::{End, Phase, phase},
    reap, render, script,
    session::{Alive, KubernetesSession},
};
use crate::common::{check_limits, refuse_absent};

/// Sessions as Pods of a cluster. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KubernetesSandbox(Arc<Shared>);

/// What all sessions of a sandbox share.
#[derive(Debug)]
struct Shared {
    config: Arc<KubernetesConfig>,
    cluster: Cluster,
    /// This sandbox among all that ever were.
    owner: String,
    count: AtomicU64,
    proven: Vec<LimitReport>,
}

impl KubernetesSandbox {
    /// Finds the cluster, makes sure that sessions are kept from the network, and proves every
    /// layer in a session of its own.
    ///
    /// # Errors
    /// `Invalid` for a bad configuration; `Denied` where the cluster forbids it, with the Role that
    /// is missing; `Unavailable` if the cluster cannot be reached or the Pod does not start.
    pub async fn connect(config: KubernetesConfig) -> Result<Self> {
        config.validate()?;
        let cluster = Cluster::connect(&config).await?;
        cluster.isolate().await?;
        let mut shared = Shared {
            config: Arc::new(config),
            cluster,
            owner: random(),
            count: AtomicU64::new(1),
            proven: Vec::new(),
        };
        let mut spec = SessionSpec::new(SessionId::from_number(0));
        spec.limits = Limits::default().memory(64 << 20).disk(16 << 20);
        let probe = shared.stand(&spec).await?;
        shared.proven = probe.enforcement(&spec.limits);
        Box::new(probe).close().await?;
        Ok(Self(Arc::new(shared)))
    }
}

/// A word nobody can guess.
pub(super) fn random() -> String {
    let mut bytes = [0; 8];
    // The kernel's randomness never fails once it has begun.
    getrandom::fill(&mut bytes).unwrap_or_default();
    format!("{:016x}", u64::from_le_bytes(bytes))
}

/// Users drawn for sessions on the node's own user table: above what distributions hand out, below
/// what `id_t` may mean as "nobody".
const USERS: std::ops::Range<u32> = 1_000_000_000..2_000_000_000;

/// Users drawn for sessions in a user namespace: Kubernetes maps 65536 there, and the namespace
/// already tells one session's processes from another's.
const MAPPED_USERS: std::ops::Range<u32> = 10_000..60_000;

impl Shared {
    fn user(&self) -> u32 {
        let users = if self.config.user_namespace { MAPPED_USERS } else { USERS };
        let drawn = u64::from_str_radix(&random(), 16).unwrap_or_default();
        let count = u64::from(users.end - users.start);
        self.config.user.unwrap_or(users.start + u32::try_from(drawn % count).unwrap_or_default())
    }

    /// A session that stands, with an empty tree.
    async fn stand(&self, spec: &SessionSpec) -> Result<KubernetesSession> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let name = format!("architect-{}-{number}", self.owner);
        let user = self.user();
        let wanted = render::pod(&render::Wanted {
            config: &self.config,
            spec,
            name: &name,
            owner: &self.owner,
            user,
        });
        let made = self.cluster.create(&wanted).await?;
        let alive = Alive::new(self.cluster.clone(), name.clone(), self.config.beat);
        let found = serde_json::to_value(made).map_err(|cause| {
            Error::unexpected("a Pod of the cluster cannot be read").source(cause)
        })?;
        let seen = async {
            self.runs(&name).await?;
            self.look(&name, &found, user, &spec.limits).await
        };
        let facts = match seen.await {
            Ok(facts) => facts,
            Err(error) => {
                alive.abandon().await;
                return Err(error);
            }
        };
        Ok(KubernetesSession::new(
            spec.clone(),
            Arc::clone(&self.config),
            alive,
            facts,
            wanted,
            found,
        ))
    }

    /// Waits until a Pod runs, and not for what cannot be.
    async fn runs(&self, name: &str) -> Result<()> {
        let homeless = tokio::sync::watch::Sender::new(None::<String>);
        let decided = |pod: Option<&Pod>| {
            let Some(pod) = pod else { return Some(Err(End::deleted())) };
            match phase(pod) {
                Phase::Running => Some(Ok(())),
                Phase::Ended(end) => Some(Err(end)),
                Phase::Pending { unschedulable } => {
                    // Said anew with every beat, it is no news: patience would begin again.
                    homeless.send_if_modified(|known| {
                        let is_news = known.is_some() != unschedulable.is_some();
                        *known = unschedulable;
                        is_news
                    });
                    None
                }
            }
        };
        let start = Instant::now();
        let patience = async {
            let mut seen = homeless.subscribe();
            loop {
                let left = self.config.start.saturating_sub(start.elapsed());
                let left = if seen.borrow_and_update().is_some() {
                    left.min(self.config.schedule)
                } else {
                    left
                };
                if tokio::time::timeout(left, seen.changed()).await.is_err() {
                    break;
                }
            }
        };
        tokio::select! {
            decision = self.cluster.follow(name, decided) => match decision? {
                Ok(()) => Ok(()),
                Err(end) => Err(self.with_events(name, end.never_ran()).await),
            },
            () = patience => {
                let reason = homeless.borrow().clone();
                Err(self.with_events(name, impatient(reason)).await)
            }
        }
    }

    async fn with_events(&self, name: &str, error: Error) -> Error {
        let events = self.cluster.events(name).await;
        let error = error.context("pod", name);
        if events.is_empty() { error } else { error.context("events", events.join("; ")) }
    }

    async fn look(&self, name: &str, found: &Value, user: u32, limits: &Limits) -> Result<Facts> {
        let user = found
            .pointer("/spec/securityContext/runAsUser")
            .and_then(Value::as_u64)
            .and_then(|user| u32::try_from(user).ok())
            .unwrap_or(user);
        let exec =
            Exec::start(&self.cluster, name, &script::look(limits, self.cluster.server)).await?;
        let said = tokio::time::timeout(LOOK, exec.finish(1 << 20)).await.map_err(|_| {
            Error::new(ErrorKind::Unavailable, "the Pod of a session does not answer")
        })??;
        Facts::read(&String::from_utf8_lossy(&said.stdout), user)
    }
}

/// How long looking around may take.
const LOOK: Duration = Duration::from_secs(30);

fn impatient(unschedulable: Option<String>) -> Error {
    match unschedulable {
        Some(reason) => Error::new(ErrorKind::Unavailable, "no node takes the Pod of a session")
            .code("unschedulable")
            .context("reason", reason)
            .advice("add nodes, or lower the limits of sessions"),
        None => Error::new(ErrorKind::Unavailable, "the Pod of a session does not start in time")
            .code("pod_not_started")
            .advice("look at the Pod's events, or raise `start`"),
    }
}

#[async_trait]
impl Sandbox for KubernetesSandbox {
    fn capabilities(&self) -> SandboxCapabilities {
        SandboxCapabilities {
            driver: "kubernetes".to_owned(),
            enforcement: self.0.proven.clone(),
            egress: false,
            services: false,
        }
    }

    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>> {
        check_limits(&spec.limits)?;
        if spec.network != Network::Isolated {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the Kubernetes sandbox gives sessions no network yet",
            ));
        }
        if let Some(bind) = spec.binds.first() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a Pod cannot show files of this machine",
            )
            .context("source", bind.source.display())
            .advice("put the files into the tree or into the image"));
        }
        let session = self.0.stand(spec).await?;
        let held = if spec.allow_degraded {
            Ok(())
        } else {
            refuse_absent(&session.enforcement(&spec.limits))
        };
        let filled = match held {
            Ok(()) => session.fill(tree).await,
            refused => refused,
        };
        if let Err(error) = filled {
            session.abandon().await;
            return Err(error);
        }
        Ok(Box::new(session))
    }

    async fn reap(&self) -> Result<u64> {
        reap::reap(&self.0.cluster, &self.0.owner, self.0.config.beat).await
    }
}
