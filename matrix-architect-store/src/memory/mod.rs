//! Everything in this process, for tests and short-lived embedding. What it is told it keeps and
//! refuses exactly as the durable backends do; it forgets all of it with the process.

mod artifacts;
mod jobs;
mod locks;
mod logs;
mod queue;
mod records;
mod store;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use matrix_architect_core::{
    id::TenantId,
    time::Timestamp,
    traits::{Clock, LockKey, LogId, RecordKey},
};
use tokio::sync::Notify;

pub use artifacts::MemoryArtifacts;

use crate::stores::Stores;

/// Jobs, queue, logs, records and locks in memory. All clones of an `Arc` of it are one memory.
#[derive(Debug)]
pub struct Memory {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    jobs: jobs::Jobs,
    paused: BTreeSet<Option<TenantId>>,
    logs: BTreeMap<LogId, logs::Log>,
    logs_begun: u64,
    records: BTreeMap<RecordKey, records::Slot>,
    locks: BTreeMap<LockKey, locks::Slot>,
}

/// Everything in this process, artifacts too, empty.
pub fn open(clock: Arc<dyn Clock>) -> Stores {
    Stores::new(Arc::new(Memory::new(clock)), Arc::new(MemoryArtifacts::new()))
}

impl Memory {
    /// An empty memory whose time is `clock`'s.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default(), changed: Notify::new() }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Every write checks first and changes then, so that a panic leaves a state that holds.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
