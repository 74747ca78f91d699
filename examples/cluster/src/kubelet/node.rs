//! The node itself, and the Pods that are on it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;

use super::{
    life::live,
    running::{Running, Started},
};
use crate::{
    kind::Kind, options::Options, process::is_root, select::Selection, server::Shared, store::Key,
};

/// The node.
#[derive(Debug)]
pub(crate) struct Kubelet {
    pub(super) base: tempfile::TempDir,
    pub(super) cgroups: Option<PathBuf>,
    pods: Mutex<BTreeMap<String, Arc<Running>>>,
    pub(super) stop: CancellationToken,
}

impl Kubelet {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        let base = tempfile::Builder::new().prefix("architect-cluster-").tempdir()?;
        // Users of containers pass through it, and do not look around in it.
        fs::set_permissions(base.path(), fs::Permissions::from_mode(0o711))?;
        let cgroups = Path::new("/sys/fs/cgroup/memory");
        let can = options.cgroups && is_root() && cgroups.join("memory.limit_in_bytes").exists();
        Ok(Self {
            base,
            cgroups: can.then(|| cgroups.to_owned()),
            pods: Mutex::default(),
            stop: CancellationToken::new(),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Running>>> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of the Pods that are on the node.
    pub(crate) fn running(&self) -> Vec<String> {
        self.lock().values().map(|pod| format!("pod {}", pod.key.name)).collect()
    }

    /// Kills all that runs, without waiting for what the cluster would say about it.
    pub(crate) fn kill_all(&self) {
        self.stop.cancel();
        let pods = self.lock();
        for pod in pods.values() {
            pod.kill();
        }
        for cgroup in pods.values().filter_map(|pod| pod.cgroup.as_ref()) {
            // Busy until its processes are gone; nobody else would come for it.
            for _ in 0..200 {
                match fs::remove_dir(cgroup) {
                    Err(cause) if cause.kind() == io::ErrorKind::ResourceBusy => {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    _ => break,
                }
            }
        }
    }

    /// Kills all that runs and waits for it.
    pub(crate) async fn stop(&self) {
        self.kill_all();
        for _ in 0..200 {
            if self.lock().is_empty() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A container that runs in a Pod; the first if none is named.
    pub(crate) fn started(&self, key: &Key, container: &str) -> Option<Arc<Started>> {
        let pods = self.lock();
        let pod = pods.values().find(|pod| pod.key == *key)?;
        let started = pod.started.lock().unwrap_or_else(PoisonError::into_inner);
        let mut named =
            started.values().filter(|one| container.is_empty() || one.container.name == container);
        named.next().map(Arc::clone)
    }

    /// Where the output of a container is kept.
    pub(crate) fn log(&self, key: &Key, container: &str) -> Option<PathBuf> {
        let pods = self.lock();
        let pod = pods.values().find(|pod| pod.key == *key)?;
        Some(pod.folder.join(format!("{container}.log")))
    }

    /// Runs every Pod that comes.
    pub(crate) async fn work(shared: Arc<Shared>) {
        let Some(kind) = Kind::named("Pod") else { return };
        let (mut news, stop) = (shared.store.news(), shared.stop.clone());
        let mut known = BTreeSet::new();
        loop {
            news.mark_unchanged();
            for pod in shared.store.list(kind, None, &Selection::default()).0 {
                let uid = pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
                if known.insert(uid.clone()) {
                    tokio::spawn(live(Arc::clone(&shared), kind, uid, pod));
                }
            }
            tokio::select! {
                changed = news.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
        }
    }
}
