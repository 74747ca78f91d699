//! Calling again what may be called again.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    event::EventEnvelope,
    id::{Digest, MessageId, TenantId},
    job::{Job, NewJob},
    pipeline::JobRecord,
    release::{DeploymentConfig, Health, Publication, Release, ReleaseRef},
    secret::{Scope, Secret, SecretRef},
    tenant::JobRef,
    traits::{
        ArtifactStore, Body, ByteStream, Cancel, Candidate, Commit, Committed, DeployCapabilities,
        DeployContext, DeployPlan, DeployRequest, Deployer, Fence, JobPage, JobQuery, Lease,
        LeaseRequest, LogId, LogPage, LogQuery, LogStore, Message, PublishCapabilities,
        PublishContext, PublishRequest, Publisher, Queue, QueueStats, Renewal, RollbackRequest,
        ScrubReport, SecretStore, Store, TrafficRouter,
    },
};

/// How often and after how long a call is repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {
    /// Calls at most, the first included; 4 by default.
    pub attempts: usize,
    /// The wait before the second call, doubled before each one after it; 50 ms by default.
    pub first: Duration,
    /// The longest wait, 2 s by default. If a backend asks for a longer one, its error is returned
    /// instead: the caller knows better what to do meanwhile.
    pub longest: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { attempts: 4, first: Duration::from_millis(50), longest: Duration::from_secs(2) }
    }
}

impl RetryConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// `Invalid`, naming the field, unless there are 1 to 100 attempts and the first wait is not
    /// longer than the longest.
    pub fn validate(&self) -> Result<()> {
        let problem = match self {
            Self { attempts: 0 | 101.., .. } => "attempts: must be 1 to 100",
            Self { first, longest, .. } if first > longest => "first: must not exceed 'longest'",
            _ => return Ok(()),
        };
        Err(Error::invalid(problem))
    }

    fn backoff(&self) -> ExponentialBuilder {
        ExponentialBuilder::new()
            .with_min_delay(self.first)
            .with_max_delay(self.longest)
            .with_factor(2.0)
            .with_max_times(self.attempts.saturating_sub(1))
    }

    async fn again<R, F>(&self, verb: &'static str, call: impl FnMut() -> F + Send) -> Result<R>
    where
        R: Send,
        F: Future<Output = Result<R>> + Send,
    {
        self.unless(&Cancel::new(), verb, call).await
    }

    pub(super) async fn unless<R, F>(
        &self,
        cancel: &Cancel,
        verb: &'static str,
        call: impl FnMut() -> F + Send,
    ) -> Result<R>
    where
        R: Send,
        F: Future<Output = Result<R>> + Send,
    {
        call.retry(self.backoff())
            .when(|error| error.is_retryable() && !cancel.is_cancelled())
            .adjust(|error: &Error, wait| {
                let asked = error.retry_delay().unwrap_or_default();
                wait.filter(|_| asked <= self.longest).map(|wait| wait.max(asked))
            })
            .notify(|error, wait| {
                tracing::debug!(verb, kind = %error.kind(), code = error.code_str(), ?wait, "retry");
            })
            .await
    }
}

/// Repeats calls that failed with an error that is [retryable](Error::is_retryable), where the
/// trait's contract says that they may be repeated; after a wait that grows, or the one that the
/// error asks for. A call whose `Cancel` was called is not repeated.
///
/// What may not be repeated has no place here: there is no `Retry` of a sandbox or a planner.
#[derive(Debug)]
pub struct Retry<T: ?Sized> {
    inner: Arc<T>,
    config: RetryConfig,
}

impl<T: ?Sized> Retry<T> {
    /// Decorates a backend.
    pub const fn new(inner: Arc<T>, config: RetryConfig) -> Self {
        Self { inner, config }
    }
}

impl<T: ?Sized> Clone for Retry<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), config: self.config.clone() }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Store + ?Sized> Store for Retry<T> {
    async fn create(&self, jobs: Vec<NewJob>) -> Result<Vec<JobRecord>> {
        self.config.again("create", || self.inner.create(jobs.clone())).await
    }
    async fn commit(&self, job: &JobRef, commit: Commit) -> Result<Committed> {
        self.config.again("commit", || self.inner.commit(job, commit.clone())).await
    }
    async fn load(&self, job: &JobRef) -> Result<JobRecord> {
        self.config.again("load", || self.inner.load(job)).await
    }
    async fn history(&self, job: &JobRef, after: u64, limit: usize) -> Result<Vec<EventEnvelope>> {
        self.config.again("history", || self.inner.history(job, after, limit)).await
    }
    async fn list(&self, tenant: &TenantId, query: &JobQuery) -> Result<JobPage> {
        self.config.again("list", || self.inner.list(tenant, query)).await
    }
    async fn claim(&self, candidates: &[Candidate], request: &LeaseRequest) -> Result<Vec<Lease>> {
        self.config.again("claim", || self.inner.claim(candidates, request)).await
    }
    async fn outbox(&self, limit: usize) -> Result<Vec<Message>> {
        self.config.again("outbox", || self.inner.outbox(limit)).await
    }
    async fn delivered(&self, ids: &[MessageId]) -> Result<()> {
        self.config.again("delivered", || self.inner.delivered(ids)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Queue + ?Sized> Queue for Retry<T> {
    async fn offer(&self, candidates: &[Candidate]) -> Result<()> {
        self.config.again("offer", || self.inner.offer(candidates)).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        self.config.again("lease", || self.inner.lease(request)).await
    }
    async fn renew(&self, job: &JobRef, fence: Fence, term: Duration) -> Result<Renewal> {
        self.config.again("renew", || self.inner.renew(job, fence, term)).await
    }
    async fn release(&self, job: &JobRef, fence: Fence) -> Result<()> {
        self.config.again("release", || self.inner.release(job, fence)).await
    }
    async fn stats(&self, tenant: Option<&TenantId>) -> Result<QueueStats> {
        self.config.again("stats", || self.inner.stats(tenant)).await
    }
    async fn pause(&self, tenant: Option<&TenantId>) -> Result<()> {
        self.config.again("pause", || self.inner.pause(tenant)).await
    }
    async fn resume(&self, tenant: Option<&TenantId>) -> Result<()> {
        self.config.again("resume", || self.inner.resume(tenant)).await
    }
}

/// A stream is opened again, but not once its first piece has come.
#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ArtifactStore + ?Sized> ArtifactStore for Retry<T> {
    async fn put(&self, tenant: &TenantId, body: &dyn Body) -> Result<(Digest, u64)> {
        self.config.again("put", || self.inner.put(tenant, body)).await
    }
    async fn get(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        self.config.again("get", || self.inner.get(tenant, digest, range.clone())).await
    }
    async fn size(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<u64>> {
        self.config.again("size", || self.inner.size(tenant, digest)).await
    }
    async fn delete(&self, tenant: &TenantId, digest: &Digest) -> Result<()> {
        self.config.again("delete", || self.inner.delete(tenant, digest)).await
    }
    async fn scrub(&self) -> Result<ScrubReport> {
        self.config.again("scrub", || self.inner.scrub()).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: LogStore + ?Sized> LogStore for Retry<T> {
    async fn append(&self, log: &LogId, fence: Fence, at: u64, bytes: Bytes) -> Result<u64> {
        self.config.again("append", || self.inner.append(log, fence, at, bytes.clone())).await
    }
    async fn read(&self, log: &LogId, range: Range<u64>) -> Result<LogPage> {
        self.config.again("read", || self.inner.read(log, range.clone())).await
    }
    async fn list(&self, job: &JobRef) -> Result<Vec<String>> {
        self.config.again("list", || self.inner.list(job)).await
    }
    async fn seal(&self, log: &LogId, fence: Fence) -> Result<Digest> {
        self.config.again("seal", || self.inner.seal(log, fence)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: SecretStore + ?Sized> SecretStore for Retry<T> {
    async fn get(&self, scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        self.config.again("get", || self.inner.get(scope, reference)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Deployer + ?Sized> Deployer for Retry<T> {
    fn capabilities(&self) -> DeployCapabilities {
        self.inner.capabilities()
    }
    fn check(&self, config: &DeploymentConfig) -> Result<()> {
        self.inner.check(config)
    }
    async fn preview(&self, request: &DeployRequest) -> Result<DeployPlan> {
        self.config.again("preview", || self.inner.preview(request)).await
    }
    async fn apply(&self, cx: &DeployContext<'_>, request: &DeployRequest) -> Result<Release> {
        self.config.unless(cx.cancel, "apply", || self.inner.apply(cx, request)).await
    }
    async fn rollback(
        &self,
        cx: &DeployContext<'_>,
        request: &RollbackRequest,
    ) -> Result<Option<Release>> {
        self.config.unless(cx.cancel, "rollback", || self.inner.rollback(cx, request)).await
    }
    async fn health(&self, config: &DeploymentConfig, release: &ReleaseRef) -> Result<Health> {
        self.config.again("health", || self.inner.health(config, release)).await
    }
    async fn logs(
        &self,
        config: &DeploymentConfig,
        release: &ReleaseRef,
        query: &LogQuery,
    ) -> Result<ByteStream> {
        self.config.again("logs", || self.inner.logs(config, release, query)).await
    }
    fn traffic(&self) -> Option<&dyn TrafficRouter> {
        self.inner.traffic()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Publisher + ?Sized> Publisher for Retry<T> {
    fn capabilities(&self) -> PublishCapabilities {
        self.inner.capabilities()
    }
    fn check(&self, config: &BTreeMap<String, Value>, job: Option<&Job>) -> Result<()> {
        self.inner.check(config, job)
    }
    async fn publish(
        &self,
        cx: &PublishContext<'_>,
        request: &PublishRequest<'_>,
    ) -> Result<Publication> {
        self.config.unless(cx.cancel, "publish", || self.inner.publish(cx, request)).await
    }
}
