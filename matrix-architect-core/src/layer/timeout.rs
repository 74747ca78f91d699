//! Bounding how long a call takes.

use std::{collections::BTreeMap, ops::Range, pin::pin, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time;

use crate::{
    error::{Error, ErrorKind, Result},
    event::EventEnvelope,
    id::{Digest, MessageId, TenantId},
    job::{Job, NewJob},
    pipeline::JobRecord,
    release::{DeploymentConfig, Health, Publication, Release, ReleaseRef},
    secret::{Scope, Secret, SecretRef},
    tenant::JobRef,
    traits::{
        ArtifactStore, Body, ByteStream, Cancel, Candidate, Collect, Command, Commit, Committed,
        Connection, DeployCapabilities, DeployContext, DeployPlan, DeployRequest, Deployer, Exit,
        Fence, JobPage, JobQuery, Lease, LeaseRequest, LogId, LogPage, LogQuery, LogStore, Message,
        Output, PublishCapabilities, PublishContext, PublishRequest, Publisher, Queue, QueueStats,
        Renewal, RollbackRequest, Sandbox, SandboxCapabilities, ScrubReport, SecretStore, Service,
        ServiceState, Session, SessionSpec, Store, TrafficRouter, Tree,
    },
};

/// How long calls may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutConfig {
    /// A read or a small write, which is dropped when its time is up; 30 s by default.
    pub call: Duration,
    /// An upload, a deployment, a publication or a command without a wall clock limit of its own;
    /// 30 min by default.
    pub effect: Duration,
    /// How long a call that takes a `Cancel` has to come to a known end once it was called; 30 s by
    /// default.
    pub grace: Duration,
}

impl Default for TimeoutConfig {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(30),
            effect: Duration::from_mins(30),
            grace: Duration::from_secs(30),
        }
    }
}

impl TimeoutConfig {
    /// Checks the values.
    ///
    /// # Errors
    /// `Invalid`, naming the field, if one is zero.
    pub fn validate(&self) -> Result<()> {
        let fields = [("call", self.call), ("effect", self.effect), ("grace", self.grace)];
        match fields.iter().find(|(_, value)| value.is_zero()) {
            Some((name, _)) => Err(Error::invalid(format!("{name}: must be more than zero"))),
            None => Ok(()),
        }
    }

    /// Drops what takes too long. Only for calls whose contract allows it.
    async fn drop_after<R: Send>(
        self,
        limit: Duration,
        operation: &'static str,
        call: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        time::timeout(limit, call).await.unwrap_or_else(|_| Err(late(operation, limit)))
    }

    async fn read<R: Send>(
        self,
        operation: &'static str,
        call: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        self.drop_after(self.call, operation, call).await
    }

    /// Cancels what takes too long and waits for its answer. Only if there is none within the grace
    /// it is dropped, and nobody knows what came of it.
    pub(super) async fn cancel_after<R: Send>(
        self,
        limit: Duration,
        operation: &'static str,
        cancel: Cancel,
        call: impl Future<Output = Result<R>> + Send,
    ) -> Result<R> {
        let mut call = pin!(call);
        if let Ok(answer) = time::timeout(limit, &mut call).await {
            return answer;
        }
        let was_wished = cancel.is_cancelled();
        cancel.cancel();
        match time::timeout(self.grace, call).await {
            Ok(Err(error)) if error.is_cancelled() && !was_wished => {
                Err(late(operation, limit).context("outcome", "stopped").source(error))
            }
            Ok(answer) => answer,
            Err(_) => Err(late(operation, limit)
                .code("unknown_outcome")
                .context("outcome", "unknown")
                .context("grace", format_args!("{:?}", self.grace))),
        }
    }
}

fn late(operation: &'static str, limit: Duration) -> Error {
    Error::new(ErrorKind::Timeout, "the call took too long")
        .operation(operation)
        .context("call", operation)
        .context("limit", format_args!("{limit:?}"))
}

/// Bounds how long calls take: [`ErrorKind::Timeout`] says that the outcome is unknown, unless the
/// error's context says `outcome: stopped`.
///
/// Calls that may be dropped are dropped. Calls that take a `Cancel` are cancelled first and have a
/// grace to come to a known end. Opening, closing and reaping of sandbox sessions may be neither
/// dropped nor cancelled and are passed on as they are. A stream is bounded until it is open, not
/// while it is read.
#[derive(Debug)]
pub struct Timeout<T: ?Sized> {
    inner: Arc<T>,
    config: TimeoutConfig,
}

impl<T: ?Sized> Timeout<T> {
    /// Decorates a backend.
    pub const fn new(inner: Arc<T>, config: TimeoutConfig) -> Self {
        Self { inner, config }
    }
}

impl<T: ?Sized> Clone for Timeout<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), config: self.config }
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Store + ?Sized> Store for Timeout<T> {
    async fn create(&self, jobs: Vec<NewJob>) -> Result<Vec<JobRecord>> {
        self.config.read("store.create", self.inner.create(jobs)).await
    }
    async fn commit(&self, job: &JobRef, commit: Commit) -> Result<Committed> {
        self.config.read("store.commit", self.inner.commit(job, commit)).await
    }
    async fn load(&self, job: &JobRef) -> Result<JobRecord> {
        self.config.read("store.load", self.inner.load(job)).await
    }
    async fn history(&self, job: &JobRef, after: u64, limit: usize) -> Result<Vec<EventEnvelope>> {
        self.config.read("store.history", self.inner.history(job, after, limit)).await
    }
    async fn list(&self, tenant: &TenantId, query: &JobQuery) -> Result<JobPage> {
        self.config.read("store.list", self.inner.list(tenant, query)).await
    }
    async fn claim(&self, candidates: &[Candidate], request: &LeaseRequest) -> Result<Vec<Lease>> {
        self.config.read("store.claim", self.inner.claim(candidates, request)).await
    }
    async fn outbox(&self, limit: usize) -> Result<Vec<Message>> {
        self.config.read("store.outbox", self.inner.outbox(limit)).await
    }
    async fn delivered(&self, ids: &[MessageId]) -> Result<()> {
        self.config.read("store.delivered", self.inner.delivered(ids)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Queue + ?Sized> Queue for Timeout<T> {
    async fn offer(&self, candidates: &[Candidate]) -> Result<()> {
        self.config.read("queue.offer", self.inner.offer(candidates)).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let limit = self.config.call.saturating_add(request.wait);
        self.config.drop_after(limit, "queue.lease", self.inner.lease(request)).await
    }
    async fn renew(&self, job: &JobRef, fence: Fence, term: Duration) -> Result<Renewal> {
        self.config.read("queue.renew", self.inner.renew(job, fence, term)).await
    }
    async fn release(&self, job: &JobRef, fence: Fence) -> Result<()> {
        self.config.read("queue.release", self.inner.release(job, fence)).await
    }
    async fn stats(&self, tenant: Option<&TenantId>) -> Result<QueueStats> {
        self.config.read("queue.stats", self.inner.stats(tenant)).await
    }
    async fn pause(&self, tenant: Option<&TenantId>) -> Result<()> {
        self.config.read("queue.pause", self.inner.pause(tenant)).await
    }
    async fn resume(&self, tenant: Option<&TenantId>) -> Result<()> {
        self.config.read("queue.resume", self.inner.resume(tenant)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ArtifactStore + ?Sized> ArtifactStore for Timeout<T> {
    async fn put(&self, tenant: &TenantId, body: &dyn Body) -> Result<(Digest, u64)> {
        let put = self.inner.put(tenant, body);
        self.config.drop_after(self.config.effect, "artifact_store.put", put).await
    }
    async fn get(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        self.config.read("artifact_store.get", self.inner.get(tenant, digest, range)).await
    }
    async fn size(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<u64>> {
        self.config.read("artifact_store.size", self.inner.size(tenant, digest)).await
    }
    async fn delete(&self, tenant: &TenantId, digest: &Digest) -> Result<()> {
        self.config.read("artifact_store.delete", self.inner.delete(tenant, digest)).await
    }
    /// Reads everything there is, which takes as long as it takes.
    async fn scrub(&self) -> Result<ScrubReport> {
        self.inner.scrub().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: LogStore + ?Sized> LogStore for Timeout<T> {
    async fn append(&self, log: &LogId, fence: Fence, at: u64, bytes: Bytes) -> Result<u64> {
        self.config.read("log_store.append", self.inner.append(log, fence, at, bytes)).await
    }
    async fn read(&self, log: &LogId, range: Range<u64>) -> Result<LogPage> {
        self.config.read("log_store.read", self.inner.read(log, range)).await
    }
    async fn list(&self, job: &JobRef) -> Result<Vec<String>> {
        self.config.read("log_store.list", self.inner.list(job)).await
    }
    async fn seal(&self, log: &LogId, fence: Fence) -> Result<Digest> {
        self.config.read("log_store.seal", self.inner.seal(log, fence)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: SecretStore + ?Sized> SecretStore for Timeout<T> {
    async fn get(&self, scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        self.config.read("secret_store.get", self.inner.get(scope, reference)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Sandbox + ?Sized> Sandbox for Timeout<T> {
    fn capabilities(&self) -> SandboxCapabilities {
        self.inner.capabilities()
    }
    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>> {
        let session = self.inner.open(tree, spec).await?;
        let wall = spec.limits.wall;
        Ok(Box::new(TimedSession { inner: session, wall, config: self.config }))
    }
    async fn reap(&self) -> Result<u64> {
        self.inner.reap().await
    }
}

/// A session whose commands end even if the sandbox does not see to it.
#[derive(Debug)]
struct TimedSession {
    inner: Box<dyn Session>,
    wall: Duration,
    config: TimeoutConfig,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Session for TimedSession {
    async fn run(
        &self,
        command: &Command,
        output: &mut dyn Output,
        cancel: &Cancel,
    ) -> Result<Exit> {
        // The sandbox itself tells a command that ran out of time; this is for one that does not.
        let wall = command.limits.as_ref().map_or(self.wall, |limits| limits.wall);
        let limit = wall.saturating_add(self.config.call);
        let child = cancel.child();
        let run = self.inner.run(command, output, &child);
        self.config.cancel_after(limit, "session.run", child.clone(), run).await
    }
    async fn start(&self, service: &Service, cancel: &Cancel) -> Result<()> {
        let limit = service.patience.saturating_add(self.config.call);
        let child = cancel.child();
        let start = self.inner.start(service, &child);
        self.config.cancel_after(limit, "session.start", child.clone(), start).await
    }
    async fn services(&self) -> Result<Vec<ServiceState>> {
        self.config.read("session.services", self.inner.services()).await
    }
    async fn connections(&self) -> Result<Vec<Connection>> {
        self.config.read("session.connections", self.inner.connections()).await
    }
    async fn collect(&self, what: &Collect) -> Result<ByteStream> {
        self.config.read("session.collect", self.inner.collect(what)).await
    }
    async fn close(self: Box<Self>) -> Result<()> {
        self.inner.close().await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Deployer + ?Sized> Deployer for Timeout<T> {
    fn capabilities(&self) -> DeployCapabilities {
        self.inner.capabilities()
    }
    fn check(&self, config: &DeploymentConfig) -> Result<()> {
        self.inner.check(config)
    }
    async fn preview(&self, request: &DeployRequest) -> Result<DeployPlan> {
        self.config.read("deployer.preview", self.inner.preview(request)).await
    }
    async fn apply(&self, cx: &DeployContext<'_>, request: &DeployRequest) -> Result<Release> {
        let child = cx.cancel.child();
        let within = DeployContext { cancel: &child, ..*cx };
        let apply = self.inner.apply(&within, request);
        let limit = self.config.effect;
        self.config.cancel_after(limit, "deployer.apply", child.clone(), apply).await
    }
    async fn rollback(
        &self,
        cx: &DeployContext<'_>,
        request: &RollbackRequest,
    ) -> Result<Option<Release>> {
        let child = cx.cancel.child();
        let within = DeployContext { cancel: &child, ..*cx };
        let rollback = self.inner.rollback(&within, request);
        let limit = self.config.effect;
        self.config.cancel_after(limit, "deployer.rollback", child.clone(), rollback).await
    }
    async fn health(&self, config: &DeploymentConfig, release: &ReleaseRef) -> Result<Health> {
        self.config.read("deployer.health", self.inner.health(config, release)).await
    }
    async fn logs(
        &self,
        config: &DeploymentConfig,
        release: &ReleaseRef,
        query: &LogQuery,
    ) -> Result<ByteStream> {
        self.config.read("deployer.logs", self.inner.logs(config, release, query)).await
    }
    fn traffic(&self) -> Option<&dyn TrafficRouter> {
        self.inner.traffic()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Publisher + ?Sized> Publisher for Timeout<T> {
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
        let child = cx.cancel.child();
        let within = PublishContext { cancel: &child, ..*cx };
        let publish = self.inner.publish(&within, request);
        let limit = self.config.effect;
        self.config.cancel_after(limit, "publisher.publish", child.clone(), publish).await
    }
}
