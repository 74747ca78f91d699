//! A Pod's life on the node.

use std::{
    collections::BTreeMap,
    fs, io,
    process::ExitStatus,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::{
    follow::{code, follow},
    running::{Running, Started},
};
use crate::{api, kind::Kind, process::Container, server::Shared, store::Key};

/// Runs a Pod from its coming to its going.
pub(super) async fn live(shared: Arc<Shared>, kind: &'static Kind, uid: String, pod: Value) {
    let text = |field: &str| pod["metadata"][field].as_str().unwrap_or_default();
    let key = Key::new(kind, text("namespace"), text("name"));
    let node = &shared.kubelet;
    let folder = node.base.path().join(&uid);
    let cgroup = node.cgroups.as_ref().map(|root| root.join(format!("architect-cluster-{uid}")));
    let running = Arc::new(Running { key, folder, cgroup, started: Mutex::default() });
    node.lock().insert(uid.clone(), Arc::clone(&running));
    let mut life = Life {
        shared: Arc::clone(&shared),
        kind,
        pod,
        uid: uid.clone(),
        running: Arc::clone(&running),
    };
    if let Some(containers) = life.prepare().await {
        life.run(containers).await;
    }
    life.removed().await;
    // Nothing of it is left: neither processes, nor its cgroup, nor its folder.
    running.kill();
    for _ in 0..500 {
        match running.cgroup.as_ref().map(fs::remove_dir) {
            Some(Err(cause)) if cause.kind() != io::ErrorKind::NotFound => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            _ => break,
        }
    }
    let _ = fs::remove_dir_all(&running.folder);
    node.lock().remove(&uid);
}

/// A Pod, and where it lives.
pub(super) struct Life {
    pub(super) shared: Arc<Shared>,
    pub(super) kind: &'static Kind,
    pub(super) pod: Value,
    pub(super) uid: String,
    pub(super) running: Arc<Running>,
}

impl Life {
    /// Runs the containers until they have ended for good.
    async fn run(&mut self, containers: Vec<Container>) {
        let (ends, mut ended) = mpsc::channel(8);
        let mut left = 0;
        for container in &containers {
            if let Err(cause) = self.start(container, 0, &ends).await {
                self.waits("RunContainerError", &cause.to_string());
                return;
            }
            left += 1;
        }
        self.event("Started", "Started containers");
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        let mut wishes = Box::pin(self.wish());
        let mut failed = false;
        loop {
            tokio::select! {
                Some((container, status)) = ended.recv() => {
                    let (code, count) = (code(status), counts.entry(container.name.clone()).or_default());
                    self.stopped(&container, code, *count);
                    let again = match self.pod["spec"]["restartPolicy"].as_str() {
                        Some("Always") => true,
                        Some("OnFailure") => code != 0,
                        _ => false,
                    };
                    if again && !self.shared.kubelet.stop.is_cancelled() {
                        *count += 1;
                        let count = *count;
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        if self.start(&container, count, &ends).await.is_ok() {
                            continue;
                        }
                    }
                    failed |= code != 0;
                    left -= 1;
                    if left == 0 {
                        self.status(|status| status["phase"] = json!(if failed { "Failed" } else { "Succeeded" }));
                        return;
                    }
                }
                wish = &mut wishes => {
                    self.end(wish, &mut ended, left).await;
                    return;
                }
            }
        }
    }

    async fn start(
        &self,
        container: &Container,
        count: u64,
        ends: &mpsc::Sender<(Container, Option<ExitStatus>)>,
    ) -> io::Result<()> {
        let mut child = container.start()?;
        let Some(first) = container.first().await else {
            let output = child.wait_with_output().await?;
            return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()));
        };
        let (output, _) = broadcast::channel(256);
        let started = Arc::new(Started {
            container: container.clone(),
            first,
            output: output.clone(),
            stdin: tokio::sync::Mutex::new(child.stdin.take()),
            ended: CancellationToken::new(),
        });
        self.running
            .started
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(container.name.clone(), Arc::clone(&started));
        tokio::spawn(follow(child, container.clone(), output, started, ends.clone()));
        let state = json!({ "running": { "startedAt": api::now() } });
        self.contain(container, &state, count, true);
        Ok(())
    }

    /// Waits until the Pod is to go, and takes it out of the store if it was deleted.
    async fn removed(&self) {
        let (mut news, stop) = (self.shared.store.news(), self.shared.kubelet.stop.clone());
        loop {
            news.mark_unchanged();
            let stored = self.shared.store.get(&self.running.key);
            let Some(pod) = stored.filter(|pod| pod["metadata"]["uid"] == self.uid) else { return };
            if !pod["metadata"]["deletionTimestamp"].is_null() {
                self.shared.store.remove(&self.running.key);
                return;
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
    }
}
