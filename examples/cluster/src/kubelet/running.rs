//! What runs on the node.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{process::ChildStdin, sync::broadcast};
use tokio_util::sync::CancellationToken;

use crate::{process::Container, store::Key};

/// A Pod that is on the node.
#[derive(Debug)]
pub(crate) struct Running {
    pub(super) key: Key,
    pub(super) folder: PathBuf,
    pub(super) cgroup: Option<PathBuf>,
    pub(super) started: Mutex<BTreeMap<String, Arc<Started>>>,
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

impl Running {
    /// Kills the first process of each container, and with it all others.
    pub(super) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    pub(super) fn signal(&self, signal: Signal) {
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
