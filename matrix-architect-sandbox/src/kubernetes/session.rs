//! One session: a Pod that is there until its last handle has gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::StreamExt as _;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{
        ByteStream, Cancel, Collect, Command, Connection, Exit, ExitVerdict, LimitReport, Limits,
        Output, Service, ServiceState, Session, SessionSpec, Tree,
    },
};
use serde_json::Value;
use tokio::{
    io::AsyncReadExt as _,
    sync::{Mutex, OwnedMutexGuard},
    task::JoinHandle,
};

use super::{
    cluster::Cluster,
    collect,
    config::KubernetesConfig,
    exec::{Buffers, Exec, cut},
    facts::Facts,
    phase::End,
    run, script,
};
use crate::common::{Held, Unfinished, take_turn};

/// A session of the Kubernetes sandbox.
#[derive(Debug)]
pub(super) struct KubernetesSession {
    pub(super) spec: SessionSpec,
    config: Arc<KubernetesConfig>,
    alive: Arc<Alive>,
    facts: Facts,
    /// The Pod as it was to be, and as the cluster has it.
    wanted: Value,
    found: Value,
    /// One command at a time.
    turn: Arc<Mutex<()>>,
}

/// A Pod that is ours; it goes when this is dropped, if not before.
#[derive(Debug)]
pub(super) struct Alive {
    cluster: Cluster,
    pod: String,
    closed: AtomicBool,
    heart: JoinHandle<()>,
}

impl Alive {
    /// Takes over a Pod that was made.
    pub(super) fn new(cluster: Cluster, pod: String, beat: Duration) -> Self {
        let heart = tokio::spawn(beats(cluster.clone(), pod.clone(), beat));
        Self { cluster, pod, closed: AtomicBool::new(false), heart }
    }

    /// Deletes the Pod of a session that did not come to be, before its error is told: who is told
    /// may end at once, and nothing that was only begun with it.
    pub(super) async fn abandon(&self) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        self.heart.abort();
        delete(&self.cluster, &self.pod).await;
    }
}

impl Held for Alive {
    fn is_given_up(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Its Pod is deleted without waiting for it.
    fn give_up(&self) {
        if self.closed.swap(true, Ordering::Relaxed) {
            return;
        }
        self.heart.abort();
        // Outside of a runtime nobody can be told; the next reaper will find it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (cluster, pod) = (self.cluster.clone(), self.pod.clone());
            runtime.spawn(async move { delete(&cluster, &pod).await });
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.give_up();
    }
}

async fn delete(cluster: &Cluster, pod: &str) {
    if let Err(error) = cluster.delete(pod).await {
        tracing::warn!(pod, %error, "the Pod of a session is left for the reaper");
    }
}

/// Says that a Pod's owner is there, until it is aborted.
async fn beats(cluster: Cluster, pod: String, every: Duration) {
    for count in 1.. {
        tokio::time::sleep(every).await;
        // A beat that is missed is no harm; three are an orphan.
        if let Err(error) = cluster.beat(&pod, count).await {
            tracing::debug!(pod, %error, "a session could not say that it is alive");
        }
    }
}

impl KubernetesSession {
    pub(super) fn new(
        spec: SessionSpec,
        config: Arc<KubernetesConfig>,
        alive: Alive,
        facts: Facts,
        wanted: Value,
        found: Value,
    ) -> Self {
        Self { spec, config, alive: Arc::new(alive), facts, wanted, found, turn: Arc::default() }
    }

    pub(super) fn cluster(&self) -> &Cluster {
        &self.alive.cluster
    }

    /// See [`Alive::abandon`].
    pub(super) async fn abandon(&self) {
        self.alive.abandon().await;
    }

    pub(super) fn pod(&self) -> &str {
        &self.alive.pod
    }

    pub(super) fn config(&self) -> &KubernetesConfig {
        &self.config
    }

    /// How each layer and limit is held.
    pub(super) fn enforcement(&self, limits: &Limits) -> Vec<LimitReport> {
        let mut reports = self.facts.layers(&self.wanted, &self.found);
        reports.extend(self.facts.limits(&self.wanted, &self.found, &self.spec.limits, limits));
        reports
    }

    /// Waits for the session's turn; until the work is finished, dropping it closes the session.
    pub(super) async fn turn(&self) -> Result<(OwnedMutexGuard<()>, Unfinished<Alive>)> {
        take_turn(&self.turn, &self.alive).await
    }

    /// Ends all that runs in the Pod.
    pub(super) async fn kill(&self) -> Result<()> {
        let mut killing = self.cluster().exec(self.pod(), script::KILL).await?;
        let status = killing.take_status();
        // The streams end with it; nothing is said on them.
        if let Some(mut stdout) = killing.stdout() {
            let _ = stdout.read(&mut [0; 16]).await;
        }
        match status {
            Some(status) => status.await.map(drop).ok_or_else(cut),
            None => Err(cut()),
        }
    }

    /// What the end of the Pod says about the command that ran in it.
    pub(super) async fn end_verdict(&self) -> Result<Option<ExitVerdict>> {
        // The kubelet tells the cluster a moment after the connection has ended.
        for _ in 0..20 {
            if let Some(end) = self.cluster().end(self.pod()).await? {
                return end
                    .verdict()
                    .map_or_else(|| Err(End::ended(&end)), |verdict| Ok(Some(verdict)));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(None)
    }

    /// Unpacks the tree into the Pod.
    pub(super) async fn fill(&self, tree: &dyn Tree) -> Result<()> {
        let (_turn, unfinished) = self.turn().await?;
        let mut exec = Exec::start(self.cluster(), self.pod(), &script::fill()).await?;
        let (mut archive, mut buffers) = (tree.pack().await?, Buffers::default());
        let (mut words, mut is_heard) = (Vec::new(), true);
        while let Some(piece) = archive.next().await {
            for piece in piece?.chunks(256 << 10) {
                if !is_heard {
                    break;
                }
                let piece = [format!("{}\n", piece.len()).as_bytes(), piece].concat();
                let hear = |_, bytes: &[u8]| {
                    let room = 4096_usize.saturating_sub(words.len());
                    words.extend_from_slice(&bytes[..bytes.len().min(room)]);
                };
                // A session that gave up has said why, or will.
                is_heard = exec.write_while_reading(&piece, &mut buffers, hear).await.is_ok();
            }
        }
        let _ = exec.write_while_reading(b"0\n", &mut buffers, |_, _| {}).await;
        let said = exec.finish(1 << 20).await?;
        if said.code != 0 {
            return Err(Error::new(
                ErrorKind::Unavailable,
                "the tree could not be unpacked in the Pod",
            )
            .code("tree_not_unpacked")
            .context("said", String::from_utf8_lossy(&said.stderr).trim())
            .advice("check that the tree fits into the disk limit"));
        }
        unfinished.finish();
        Ok(())
    }
}

#[async_trait]
impl Session for KubernetesSession {
    async fn run(
        &self,
        command: &Command,
        output: &mut dyn Output,
        cancel: &Cancel,
    ) -> Result<Exit> {
        run::run(self, command, output, cancel).await
    }

    async fn start(&self, _service: &Service, _cancel: &Cancel) -> Result<()> {
        Err(Error::new(
            ErrorKind::Unsupported,
            "the Kubernetes sandbox runs no services beside commands yet",
        )
        .advice("use the native sandbox for suites with services"))
    }

    async fn services(&self) -> Result<Vec<ServiceState>> {
        Ok(Vec::new())
    }

    async fn connections(&self) -> Result<Vec<Connection>> {
        Ok(Vec::new())
    }

    async fn collect(&self, what: &Collect) -> Result<ByteStream> {
        collect::collect(self, what).await
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.alive.heart.abort();
        self.alive.closed.store(true, Ordering::Relaxed);
        self.cluster().delete(self.pod()).await?;
        // What runs ends before its Pod is gone.
        let gone = self.cluster().follow(self.pod(), |pod| pod.is_none().then_some(()));
        match tokio::time::timeout(GONE, gone).await {
            Ok(gone) => gone,
            Err(_) => Err(Error::new(ErrorKind::Unavailable, "the Pod of a session does not end")
                .context("pod", self.pod())
                .advice("look at the node it is on")),
        }
    }
}

/// How long a Pod may take to go.
const GONE: Duration = Duration::from_mins(1);
