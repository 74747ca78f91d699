//! The node: it runs what is stored as Pods, says how they do, and ends them.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitStatus,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin},
    sync::{broadcast, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api,
    default::TOKEN,
    kind::Kind,
    options::Options,
    process::{Container, is_root},
    quantity::units,
    select::Selection,
    server::Shared,
    store::Key,
    validate::items,
};

/// The node.
#[derive(Debug)]
pub(crate) struct Kubelet {
    base: tempfile::TempDir,
    cgroups: Option<PathBuf>,
    pods: Mutex<BTreeMap<String, Arc<Running>>>,
    stop: CancellationToken,
}

/// A Pod that is on the node.
#[derive(Debug)]
pub(crate) struct Running {
    key: Key,
    folder: PathBuf,
    cgroup: Option<PathBuf>,
    started: Mutex<BTreeMap<String, Arc<Started>>>,
}

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) container: Container,
    pub(crate) first: i32,
    pub(crate) output: broadcast::Sender<(u8, Bytes)>,
    pub(crate) stdin: tokio::sync::Mutex<Option<ChildStdin>>,
    pub(crate) ended: CancellationToken,
}

/// How a Pod is to end.
enum Wish {
    /// By itself, or not at all.
    Removed,
    Deleted(Duration),
    Deadline,
    Evicted(String),
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arc<Running>>> {
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
        let mut known = std::collections::BTreeSet::new();
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

impl Running {
    /// Kills the first process of each container, and with it all others.
    fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        for started in self.started.lock().unwrap_or_else(PoisonError::into_inner).values() {
            if !started.ended.is_cancelled()
                && let Some(first) = Pid::from_raw(started.first)
            {
                // It may have ended by itself.
                let _ = kill_process(first, signal);
            }
        }
    }
}

/// A Pod's life on the node.
async fn live(shared: Arc<Shared>, kind: &'static Kind, uid: String, pod: Value) {
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

struct Life {
    shared: Arc<Shared>,
    kind: &'static Kind,
    pod: Value,
    uid: String,
    running: Arc<Running>,
}

impl Life {
    /// Writes the status, if the Pod is still this one.
    fn status(&self, change: impl FnOnce(&mut Value)) {
        let _ = self.shared.store.change(self.kind, &self.running.key, |pod| {
            if pod["metadata"]["uid"] == self.uid {
                change(&mut pod["status"]);
            }
            Ok(())
        });
    }

    fn event(&self, reason: &str, message: &str) {
        api::event(&self.shared, &self.pod, reason, message);
    }

    /// Finds a place, the images and the volumes. `None` if the Pod cannot run.
    async fn prepare(&self) -> Option<Vec<Container>> {
        let spec = &self.pod["spec"];
        let memory = |container: &Value| {
            container["resources"]["requests"]["memory"].as_str().and_then(units)
        };
        let wanted: u64 = items(&spec["containers"]).iter().filter_map(memory).sum();
        if wanted > self.shared.options.memory {
            let message = "0/1 nodes are available: 1 Insufficient memory.";
            self.status(|status| {
                status["conditions"] = json!([{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message, "lastTransitionTime": api::now() }]);
            });
            self.event("FailedScheduling", message);
            return None;
        }
        self.event("Scheduled", "Successfully assigned to node");
        for container in items(&spec["containers"]) {
            let image = container["image"].as_str().unwrap_or_default();
            if !self.shared.options.images.iter().any(|known| known == image) {
                self.cannot_pull(container, image).await;
                return None;
            }
        }
        match self.containers() {
            Ok(containers) => Some(containers),
            Err(cause) => {
                self.waits("CreateContainerConfigError", &cause.to_string());
                None
            }
        }
    }

    async fn cannot_pull(&self, container: &Value, image: &str) {
        let message = format!("failed to pull and unpack image \"{image}\": not found");
        self.event(
            "Failed",
            &format!("Failed to pull image \"{image}\" for {}: not found", container["name"]),
        );
        self.waits("ErrImagePull", &message);
        tokio::time::sleep(Duration::from_millis(300)).await;
        self.waits("ImagePullBackOff", &format!("Back-off pulling image \"{image}\""));
    }

    fn waits(&self, reason: &str, message: &str) {
        let statuses: Vec<_> = items(&self.pod["spec"]["containers"])
            .iter()
            .map(|container| {
                status_of(
                    container,
                    &json!({ "waiting": { "reason": reason, "message": message } }),
                    0,
                )
            })
            .collect();
        self.status(|status| status["containerStatuses"] = json!(statuses));
    }

    fn containers(&self) -> io::Result<Vec<Container>> {
        let (spec, folder) = (&self.pod["spec"], &self.running.folder);
        fs::create_dir_all(folder.join("volumes"))?;
        let of_pod = items(&spec["containers"]);
        if let Some(cgroup) = &self.running.cgroup {
            let limit = of_pod
                .iter()
                .map(|container| {
                    container["resources"]["limits"]["memory"].as_str().and_then(units)
                })
                .sum::<Option<u64>>();
            fs::create_dir(cgroup)?;
            if let Some(limit) = limit {
                fs::write(cgroup.join("memory.limit_in_bytes"), limit.to_string())?;
            }
        }
        let containers: Vec<_> = of_pod
            .iter()
            .map(|container| {
                Container::new(&self.pod, container, folder, self.running.cgroup.clone())
            })
            .collect();
        for volume in items(&spec["volumes"]) {
            let name = volume["name"].as_str().unwrap_or_default();
            let path = folder.join("volumes").join(name);
            fs::create_dir(&path)?;
            if name == TOKEN {
                fs::write(path.join("token"), "a service account's token")?;
            } else if volume["emptyDir"].is_null() {
                return Err(io::Error::other(format!(
                    "volume \"{name}\" is of a type that this node does not have"
                )));
            }
            if let Some(container) = containers.first() {
                container.own(&path)?;
            }
        }
        Ok(containers)
    }

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

    fn stopped(&self, container: &Container, code: i32, count: u64) {
        let reason = match code {
            0 => "Completed",
            137 if container.was_out_of_memory() => "OOMKilled",
            _ => "Error",
        };
        let state = json!({ "terminated": { "exitCode": code, "reason": reason, "finishedAt": api::now() } });
        self.contain(container, &state, count, false);
    }

    fn contain(&self, container: &Container, state: &Value, count: u64, is_running: bool) {
        let of_spec =
            items(&self.pod["spec"]["containers"]).iter().find(|one| one["name"] == container.name);
        let Some(of_spec) = of_spec else { return };
        let shown = status_of(of_spec, state, count);
        self.status(|status| {
            let mut statuses = items(&status["containerStatuses"]).to_vec();
            match statuses.iter_mut().find(|one| one["name"] == shown["name"]) {
                Some(one) => *one = shown,
                None => statuses.push(shown),
            }
            status["containerStatuses"] = json!(statuses);
            if is_running {
                status["phase"] = json!("Running");
                status["startTime"] = json!(api::now());
                let ready = |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": api::now() });
                status["conditions"] = json!([ready("PodScheduled"), ready("Initialized"), ready("ContainersReady"), ready("Ready")]);
            }
        });
    }

    /// Waits until something outside of the containers ends the Pod.
    fn wish(&self) -> impl Future<Output = Wish> + use<> {
        let deadline = self.pod["spec"]["activeDeadlineSeconds"].as_u64().map(Duration::from_secs);
        let deadline = Instant::now() + deadline.unwrap_or(Duration::from_hours(24 * 365));
        let volumes: Vec<_> = items(&self.pod["spec"]["volumes"])
            .iter()
            .filter_map(|volume| {
                let name = volume["name"].as_str()?.to_owned();
                let size = volume["emptyDir"]["sizeLimit"].as_str()?.to_owned();
                Some((self.running.folder.join("volumes").join(&name), name, size))
            })
            .collect();
        let (shared, key, uid) =
            (Arc::clone(&self.shared), self.running.key.clone(), self.uid.clone());
        async move {
            let (mut news, stop) = (shared.store.news(), shared.kubelet.stop.clone());
            loop {
                news.mark_unchanged();
                match shared.store.get(&key).filter(|pod| pod["metadata"]["uid"] == uid) {
                    None => return Wish::Removed,
                    Some(pod) if !pod["metadata"]["deletionTimestamp"].is_null() => {
                        let grace =
                            pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(0);
                        return Wish::Deleted(Duration::from_secs(grace));
                    }
                    Some(_) => {}
                }
                for (path, name, size) in &volumes {
                    if units(size).is_some_and(|most| used(path) > most) {
                        return Wish::Evicted(format!(
                            "Usage of EmptyDir volume \"{name}\" exceeds the limit \"{size}\". "
                        ));
                    }
                }
                tokio::select! {
                    _ = news.changed() => {}
                    () = stop.cancelled() => return Wish::Removed,
                    () = tokio::time::sleep_until(deadline) => return Wish::Deadline,
                    () = tokio::time::sleep(Duration::from_millis(200)), if !volumes.is_empty() => {}
                }
            }
        }
    }

    async fn end(
        &self,
        wish: Wish,
        ended: &mut mpsc::Receiver<(Container, Option<ExitStatus>)>,
        mut left: usize,
    ) {
        let failed = |reason: &str, message: String| {
            self.event(reason, &message);
            self.status(|status| {
                status["phase"] = json!("Failed");
                status["reason"] = json!(reason);
                status["message"] = json!(message);
            });
        };
        let grace = match wish {
            Wish::Removed => Duration::ZERO,
            Wish::Deleted(grace) => {
                self.event("Killing", "Stopping containers");
                self.running.signal(Signal::TERM);
                grace
            }
            Wish::Deadline => {
                failed(
                    "DeadlineExceeded",
                    "Pod was active on the node longer than the specified deadline".to_owned(),
                );
                Duration::ZERO
            }
            Wish::Evicted(message) => {
                failed("Evicted", message);
                Duration::ZERO
            }
        };
        let kill_at = Instant::now() + grace;
        while left > 0 {
            tokio::select! {
                Some((container, status)) = ended.recv() => {
                    self.stopped(&container, code(status), 0);
                    left -= 1;
                }
                () = tokio::time::sleep_until(kill_at) => {
                    self.running.kill();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
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

/// Keeps what a container writes, and says when it has ended.
async fn follow(
    mut child: Child,
    container: Container,
    output: broadcast::Sender<(u8, Bytes)>,
    started: Arc<Started>,
    ends: mpsc::Sender<(Container, Option<ExitStatus>)>,
) {
    let log = tokio::fs::OpenOptions::new().create(true).append(true).open(container.log()).await;
    let log = Arc::new(tokio::sync::Mutex::new(log.ok()));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let copies = async {
        tokio::join!(copy(1, stdout, &output, &log), copy(2, stderr, &output, &log));
    };
    // Processes that outlive the first are dead with it: the streams end, too.
    let (status, ()) = tokio::join!(child.wait(), copies);
    started.ended.cancel();
    let _ = ends.send((container, status.ok())).await;
}

async fn copy(
    channel: u8,
    stream: Option<impl tokio::io::AsyncRead + Unpin>,
    output: &broadcast::Sender<(u8, Bytes)>,
    log: &tokio::sync::Mutex<Option<tokio::fs::File>>,
) {
    let Some(mut stream) = stream else { return };
    let mut buffer = vec![0; 32 << 10];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let bytes = Bytes::copy_from_slice(&buffer[..count]);
        if let Some(log) = log.lock().await.as_mut() {
            let _ = log.write_all(&bytes).await;
            let _ = log.flush().await;
        }
        // Nobody has to be attached.
        let _ = output.send((channel, bytes));
    }
}

/// As a shell and a runtime say it.
pub(crate) fn code(status: Option<ExitStatus>) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status.map_or(137, |status| status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(9)))
}

fn status_of(container: &Value, state: &Value, count: u64) -> Value {
    let is_running = !state["running"].is_null();
    json!({
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": is_running,
        "started": is_running,
        "restartCount": count,
        "state": state,
    })
}

/// Bytes that the files of a folder take.
fn used(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => used(&entry.path()),
            Ok(found) => found.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
