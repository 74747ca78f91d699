//! Ends that do not come from a Pod's own processes.

use std::{fs, path::Path, process::ExitStatus, sync::Arc, time::Duration};

use rustix::process::Signal;
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};

use super::{follow::code, life::Life};
use crate::{process::Container, quantity::units, validate::items};

/// How a Pod is to end.
pub(super) enum Wish {
    /// By itself, or not at all.
    Removed,
    Deleted(Duration),
    Deadline,
    Evicted(String),
}

impl Life {
    /// Waits until something outside of the containers ends the Pod.
    pub(super) fn wish(&self) -> impl Future<Output = Wish> + use<> {
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

    pub(super) async fn end(
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
