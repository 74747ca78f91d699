//! Saying what was called.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use tracing::{Instrument as _, Span};

use crate::{
    error::Result,
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

/// A span for every call, named `component.verb` with the backend as a field, and
/// `component.backend.verb` as `otel.name`, which exporters take as its name. Its fields are the
/// names of things, never their content, so that no secret leaks by default. A call that fails
/// leaves an event with the error's kind and code.
#[derive(Debug)]
pub struct Traced<T: ?Sized> {
    inner: Arc<T>,
    backend: &'static str,
}

impl<T: ?Sized> Traced<T> {
    /// Decorates a backend under its name, such as `sqlite`.
    pub const fn new(inner: Arc<T>, backend: &'static str) -> Self {
        Self { inner, backend }
    }
}

impl<T: ?Sized> Clone for Traced<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), backend: self.backend }
    }
}

macro_rules! span {
    ($self:ident, $component:literal, $verb:literal $(, $($fields:tt)+)?) => {
        tracing::info_span!(
            concat!($component, ".", $verb),
            backend = $self.backend,
            otel.name = %format_args!(concat!($component, ".{}.", $verb), $self.backend),
            $($($fields)+)?
        )
    };
}

async fn within<R: Send>(span: Span, call: impl Future<Output = Result<R>> + Send) -> Result<R> {
    let answer = call.instrument(span.clone()).await;
    if let Err(error) = &answer {
        span.in_scope(|| {
            tracing::debug!(kind = %error.kind(), code = error.code_str(), "the call failed");
        });
    }
    answer
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Store + ?Sized> Store for Traced<T> {
    async fn create(&self, jobs: Vec<NewJob>) -> Result<Vec<JobRecord>> {
        within(span!(self, "store", "create", jobs = jobs.len()), self.inner.create(jobs)).await
    }
    async fn commit(&self, job: &JobRef, commit: Commit) -> Result<Committed> {
        let span = span!(self, "store", "commit", %job, commit = %commit.id,
            events = commit.events.len());
        within(span, self.inner.commit(job, commit)).await
    }
    async fn load(&self, job: &JobRef) -> Result<JobRecord> {
        within(span!(self, "store", "load", %job), self.inner.load(job)).await
    }
    async fn history(&self, job: &JobRef, after: u64, limit: usize) -> Result<Vec<EventEnvelope>> {
        let span = span!(self, "store", "history", %job, after, limit);
        within(span, self.inner.history(job, after, limit)).await
    }
    async fn list(&self, tenant: &TenantId, query: &JobQuery) -> Result<JobPage> {
        let span = span!(self, "store", "list", %tenant, limit = query.limit);
        within(span, self.inner.list(tenant, query)).await
    }
    async fn claim(&self, candidates: &[Candidate], request: &LeaseRequest) -> Result<Vec<Lease>> {
        let span = span!(self, "store", "claim", request = %request.id, worker = %request.worker,
            candidates = candidates.len());
        within(span, self.inner.claim(candidates, request)).await
    }
    async fn outbox(&self, limit: usize) -> Result<Vec<Message>> {
        within(span!(self, "store", "outbox", limit), self.inner.outbox(limit)).await
    }
    async fn delivered(&self, ids: &[MessageId]) -> Result<()> {
        let span = span!(self, "store", "delivered", messages = ids.len());
        within(span, self.inner.delivered(ids)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Queue + ?Sized> Queue for Traced<T> {
    async fn offer(&self, candidates: &[Candidate]) -> Result<()> {
        let span = span!(self, "queue", "offer", candidates = candidates.len());
        within(span, self.inner.offer(candidates)).await
    }
    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let span = span!(self, "queue", "lease", request = %request.id, worker = %request.worker,
            max = request.max);
        within(span, self.inner.lease(request)).await
    }
    async fn renew(&self, job: &JobRef, fence: Fence, term: Duration) -> Result<Renewal> {
        let span = span!(self, "queue", "renew", %job, fence = fence.0);
        within(span, self.inner.renew(job, fence, term)).await
    }
    async fn release(&self, job: &JobRef, fence: Fence) -> Result<()> {
        let span = span!(self, "queue", "release", %job, fence = fence.0);
        within(span, self.inner.release(job, fence)).await
    }
    async fn stats(&self, tenant: Option<&TenantId>) -> Result<QueueStats> {
        within(span!(self, "queue", "stats"), self.inner.stats(tenant)).await
    }
    async fn pause(&self, tenant: Option<&TenantId>) -> Result<()> {
        within(span!(self, "queue", "pause", ?tenant), self.inner.pause(tenant)).await
    }
    async fn resume(&self, tenant: Option<&TenantId>) -> Result<()> {
        within(span!(self, "queue", "resume", ?tenant), self.inner.resume(tenant)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: ArtifactStore + ?Sized> ArtifactStore for Traced<T> {
    async fn put(&self, tenant: &TenantId, body: &dyn Body) -> Result<(Digest, u64)> {
        within(span!(self, "artifact_store", "put", %tenant), self.inner.put(tenant, body)).await
    }
    async fn get(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream> {
        let span = span!(self, "artifact_store", "get", %tenant, %digest);
        within(span, self.inner.get(tenant, digest, range)).await
    }
    async fn size(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<u64>> {
        let span = span!(self, "artifact_store", "size", %tenant, %digest);
        within(span, self.inner.size(tenant, digest)).await
    }
    async fn delete(&self, tenant: &TenantId, digest: &Digest) -> Result<()> {
        let span = span!(self, "artifact_store", "delete", %tenant, %digest);
        within(span, self.inner.delete(tenant, digest)).await
    }
    async fn scrub(&self) -> Result<ScrubReport> {
        within(span!(self, "artifact_store", "scrub"), self.inner.scrub()).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: LogStore + ?Sized> LogStore for Traced<T> {
    async fn append(&self, log: &LogId, fence: Fence, at: u64, bytes: Bytes) -> Result<u64> {
        let span = span!(self, "log_store", "append", job = %log.job, log = log.name, at,
            bytes = bytes.len());
        within(span, self.inner.append(log, fence, at, bytes)).await
    }
    async fn read(&self, log: &LogId, range: Range<u64>) -> Result<LogPage> {
        let span = span!(self, "log_store", "read", job = %log.job, log = log.name, ?range);
        within(span, self.inner.read(log, range)).await
    }
    async fn list(&self, job: &JobRef) -> Result<Vec<String>> {
        within(span!(self, "log_store", "list", %job), self.inner.list(job)).await
    }
    async fn seal(&self, log: &LogId, fence: Fence) -> Result<Digest> {
        let span = span!(self, "log_store", "seal", job = %log.job, log = log.name);
        within(span, self.inner.seal(log, fence)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: SecretStore + ?Sized> SecretStore for Traced<T> {
    async fn get(&self, scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        let span = span!(self, "secret_store", "get", tenant = %scope.tenant, %reference);
        within(span, self.inner.get(scope, reference)).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Sandbox + ?Sized> Sandbox for Traced<T> {
    fn capabilities(&self) -> SandboxCapabilities {
        self.inner.capabilities()
    }
    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>> {
        let span = span!(self, "sandbox", "open", session = %spec.id);
        let inner = within(span, self.inner.open(tree, spec)).await?;
        let session = spec.id.to_string();
        Ok(Box::new(TracedSession { inner, backend: self.backend, session }))
    }
    async fn reap(&self) -> Result<u64> {
        within(span!(self, "sandbox", "reap"), self.inner.reap()).await
    }
}

#[derive(Debug)]
struct TracedSession {
    inner: Box<dyn Session>,
    backend: &'static str,
    session: String,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl Session for TracedSession {
    async fn run(
        &self,
        command: &Command,
        output: &mut dyn Output,
        cancel: &Cancel,
    ) -> Result<Exit> {
        let program = command.argv.first().map_or("", String::as_str);
        let span = span!(self, "session", "run", session = self.session, program);
        within(span, self.inner.run(command, output, cancel)).await
    }
    async fn start(&self, service: &Service, cancel: &Cancel) -> Result<()> {
        let span = span!(self, "session", "start", session = self.session, service = service.name);
        within(span, self.inner.start(service, cancel)).await
    }
    async fn services(&self) -> Result<Vec<ServiceState>> {
        let span = span!(self, "session", "services", session = self.session);
        within(span, self.inner.services()).await
    }
    async fn connections(&self) -> Result<Vec<Connection>> {
        let span = span!(self, "session", "connections", session = self.session);
        within(span, self.inner.connections()).await
    }
    async fn collect(&self, what: &Collect) -> Result<ByteStream> {
        let span = span!(self, "session", "collect", session = self.session);
        within(span, self.inner.collect(what)).await
    }
    async fn close(self: Box<Self>) -> Result<()> {
        let span = span!(self, "session", "close", session = self.session);
        within(span, self.inner.close()).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Deployer + ?Sized> Deployer for Traced<T> {
    fn capabilities(&self) -> DeployCapabilities {
        self.inner.capabilities()
    }
    fn check(&self, config: &DeploymentConfig) -> Result<()> {
        self.inner.check(config)
    }
    async fn preview(&self, request: &DeployRequest) -> Result<DeployPlan> {
        let span = span!(self, "deployer", "preview", service = request.config.service());
        within(span, self.inner.preview(request)).await
    }
    async fn apply(&self, cx: &DeployContext<'_>, request: &DeployRequest) -> Result<Release> {
        let span = span!(self, "deployer", "apply", job = %cx.job, fence = cx.fence.0,
            environment = request.config.environment, service = request.config.service());
        within(span, self.inner.apply(cx, request)).await
    }
    async fn rollback(
        &self,
        cx: &DeployContext<'_>,
        request: &RollbackRequest,
    ) -> Result<Option<Release>> {
        let span = span!(self, "deployer", "rollback", job = %cx.job, fence = cx.fence.0,
            environment = request.config.environment, service = request.config.service());
        within(span, self.inner.rollback(cx, request)).await
    }
    async fn health(&self, config: &DeploymentConfig, release: &ReleaseRef) -> Result<Health> {
        let span = span!(self, "deployer", "health", service = config.service());
        within(span, self.inner.health(config, release)).await
    }
    async fn logs(
        &self,
        config: &DeploymentConfig,
        release: &ReleaseRef,
        query: &LogQuery,
    ) -> Result<ByteStream> {
        let span = span!(self, "deployer", "logs", service = config.service());
        within(span, self.inner.logs(config, release, query)).await
    }
    fn traffic(&self) -> Option<&dyn TrafficRouter> {
        self.inner.traffic()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<T: Publisher + ?Sized> Publisher for Traced<T> {
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
        let span = span!(self, "publisher", "publish", job = %cx.job);
        within(span, self.inner.publish(cx, request)).await
    }
}
