//! What durable submission and claiming cost on SQLite: `cargo bench --bench store`.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use matrix_architect_core::{
    event::{Actor, Event},
    id::{CommitId, JobId, PrincipalId, RequestId, TenantId, WorkerId},
    job::{JobConstraints, JobSpec, NewJob, Priority},
    pipeline::Stage,
    plan::{Change, RepoSpec},
    tenant::JobRef,
    traits::{Clock as _, Commit, Ids as _, Lease, LeaseRequest, Queue as _, Store as _},
};
use matrix_architect_store::{
    sqlite::{Config, Sqlite},
    system::{SystemClock, SystemIds},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Callers that wait for their submission at the same time.
const IN_FLIGHT: u64 = 16;

fn new_job() -> NewJob {
    let repo = RepoSpec::Local { path: "/srv/source".to_owned(), reference: None, subfolder: None };
    let spec = JobSpec {
        repo,
        goal: "say hello".to_owned(),
        change: Change::Goal,
        verify_commands: Vec::new(),
        constraints: JobConstraints::default(),
        deployments: Vec::new(),
        publish: Vec::new(),
        priority: Priority::default(),
        labels: std::collections::BTreeMap::new(),
        idempotency_key: None,
    };
    NewJob {
        job: JobRef::new(TenantId::default(), JobId::from_number(SystemIds.next())),
        spec,
        requested_by: PrincipalId::from_number(1),
        at: SystemClock.now(),
    }
}

struct Bench {
    runtime: Runtime,
    store: Arc<Sqlite>,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = Config::at(folder.path().join("architect.db"));
        let store = runtime.block_on(Sqlite::open(&config, Arc::new(SystemClock))).unwrap();
        Self { runtime, store: Arc::new(store), _folder: folder }
    }

    /// Submits `count` jobs one by one, [`IN_FLIGHT`] at a time.
    fn submit(&self, count: u64) -> Duration {
        let begun = Instant::now();
        let left = Arc::new(AtomicU64::new(count));
        self.runtime.block_on(async {
            let callers = (0..IN_FLIGHT).map(|_| {
                let (store, left) = (Arc::clone(&self.store), Arc::clone(&left));
                tokio::spawn(async move {
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                        .is_ok()
                    {
                        store.create(vec![new_job()]).await.unwrap();
                    }
                })
            });
            for caller in callers.collect::<Vec<_>>() {
                caller.await.unwrap();
            }
        });
        begun.elapsed()
    }

    fn submit_batch(&self, size: usize) {
        let jobs = (0..size).map(|_| new_job()).collect();
        self.runtime.block_on(self.store.create(jobs)).unwrap();
    }

    async fn lease(&self, max: usize) -> Vec<Lease> {
        let worker = WorkerId::from_number(1);
        let request = LeaseRequest::new(RequestId::from_number(SystemIds.next()), worker);
        self.store.lease(&request.max(max)).await.unwrap()
    }

    /// Leases `count` jobs one by one and commits an event to each.
    fn claim_and_commit(&self, count: u64) -> Duration {
        let begun = Instant::now();
        self.runtime.block_on(async {
            for _ in 0..count {
                for lease in self.lease(1).await {
                    self.store.commit(&lease.job, started(&lease)).await.unwrap();
                }
            }
        });
        begun.elapsed()
    }
}

fn started(lease: &Lease) -> Commit {
    let event = Event::Started { stage: Stage::Plan, worker: lease.worker.clone() };
    let now = SystemClock.now();
    let state = lease.record.state.after(&event, now).unwrap();
    Commit {
        id: CommitId::from_number(SystemIds.next()),
        expected: lease.record.version,
        fence: Some(lease.fence),
        actor: Actor::Worker(lease.worker.clone()),
        events: vec![event],
        dispatch: state.dispatch(now),
        outbox: Vec::new(),
        keeps: Vec::new(),
    }
}

fn submit(criterion: &mut Criterion) {
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("sqlite/submit");
    group.throughput(Throughput::Elements(1));
    group.bench_function("single, 16 in flight", |bencher| {
        bencher.iter_custom(|count| bench.submit(count));
    });
    group.throughput(Throughput::Elements(1000));
    group.bench_function("batch of 1000", |bencher| bencher.iter(|| bench.submit_batch(1000)));
    group.finish();
}

fn claim(criterion: &mut Criterion) {
    let bench = Bench::new();
    let mut group = criterion.benchmark_group("sqlite/claim");
    group.throughput(Throughput::Elements(1));
    group.bench_function("lease one and commit", |bencher| {
        bencher.iter_custom(|count| {
            bench.submit_batch(usize::try_from(count).unwrap());
            bench.claim_and_commit(count)
        });
    });
    group.throughput(Throughput::Elements(100));
    group.bench_function("lease a hundred", |bencher| {
        bencher.iter_custom(|count| {
            (0..count)
                .map(|_| {
                    bench.submit_batch(100);
                    let begun = Instant::now();
                    assert_eq!(bench.runtime.block_on(bench.lease(100)).len(), 100);
                    begun.elapsed()
                })
                .sum()
        });
    });
    group.finish();
}

criterion_group!(benches, submit, claim);
criterion_main!(benches);
