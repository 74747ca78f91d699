//! A store that holds a worker at one of its writes: the moment is the same in every run.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    event::EventEnvelope,
    id::{MessageId, TenantId},
    job::NewJob,
    pipeline::JobRecord,
    tenant::JobRef,
    traits::{
        Candidate, Commit, Committed, JobPage, JobQuery, Lease, LeaseRequest, Message, Store,
    },
};
use tokio::sync::Notify;

/// At which of a worker's writes it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// What it did is not written yet.
    Before(usize),
    /// What it did is written and it has not heard so.
    After(usize),
}

/// A store that holds a worker at one of its writes.
#[derive(Debug)]
pub(crate) struct PausingStore {
    inner: Arc<dyn Store>,
    moment: Moment,
    writes: AtomicUsize,
    reached: Notify,
    go: Notify,
}

impl PausingStore {
    pub(crate) fn new(inner: Arc<dyn Store>, moment: Moment) -> Self {
        let (writes, reached, go) = (AtomicUsize::new(0), Notify::new(), Notify::new());
        Self { inner, moment, writes, reached, go }
    }

    /// Waits until the worker is held.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.go.notify_one();
    }

    async fn pause_at(&self, moment: Moment) {
        if moment == self.moment {
            self.reached.notify_one();
            self.go.notified().await;
        }
    }
}

#[async_trait]
impl Store for PausingStore {
    async fn create(&self, jobs: Vec<NewJob>) -> Result<Vec<JobRecord>> {
        self.inner.create(jobs).await
    }

    async fn commit(&self, job: &JobRef, commit: Commit) -> Result<Committed> {
        if commit.fence.is_none() {
            return self.inner.commit(job, commit).await;
        }
        let write = self.writes.fetch_add(1, Ordering::SeqCst);
        self.pause_at(Moment::Before(write)).await;
        let committed = self.inner.commit(job, commit).await;
        self.pause_at(Moment::After(write)).await;
        committed
    }

    async fn load(&self, job: &JobRef) -> Result<JobRecord> {
        self.inner.load(job).await
    }

    async fn history(&self, job: &JobRef, after: u64, limit: usize) -> Result<Vec<EventEnvelope>> {
        self.inner.history(job, after, limit).await
    }

    async fn list(&self, tenant: &TenantId, query: &JobQuery) -> Result<JobPage> {
        self.inner.list(tenant, query).await
    }

    async fn claim(&self, candidates: &[Candidate], request: &LeaseRequest) -> Result<Vec<Lease>> {
        self.inner.claim(candidates, request).await
    }

    async fn outbox(&self, limit: usize) -> Result<Vec<Message>> {
        self.inner.outbox(limit).await
    }

    async fn delivered(&self, ids: &[MessageId]) -> Result<()> {
        self.inner.delivered(ids).await
    }
}
