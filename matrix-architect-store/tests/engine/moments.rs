//! Every write a worker makes, in every stage and in the rollback: it dies there, or somebody wants
//! the job to stop.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::{StreamExt as _, future, stream};
use matrix_architect_core::{
    error::Error,
    event::Event,
    id::WorkerId,
    job::{Job, JobSpec, JobStatus, OnPublishFailure},
    pipeline::Stage,
    traits::{Cancel, Store as _},
};
use tokio::task::JoinHandle;

use crate::{
    bench::{Bench, Plans, TARGET, author, spec},
    pausing::{Moment, PausingStore},
};

const STAGES: [JobStatus; 6] = [
    JobStatus::Planning,
    JobStatus::Patching,
    JobStatus::Verifying,
    JobStatus::Gating,
    JobStatus::Deploying,
    JobStatus::Publishing,
];

/// A bench whose worker is held at that moment.
struct Held {
    bench: Bench,
    store: Arc<PausingStore>,
}

impl Held {
    async fn at(moment: Moment) -> Self {
        let mut pausing = None;
        let bench = Bench::on(Plans::default(), |inner| {
            let store = Arc::new(PausingStore::new(inner, moment));
            pausing = Some(Arc::clone(&store));
            store
        })
        .await;
        Self { bench, store: pausing.unwrap() }
    }

    /// Begins the job and returns its status when its worker is held, and the worker; `None` if the
    /// job ended without coming there.
    async fn begin(&self, job: &Job) -> Option<(JobStatus, JoinHandle<Job>)> {
        let worker = self.bench.engine.worker(WorkerId::new("held").unwrap());
        let (reference, drain) = (job.reference(), Cancel::new());
        let mut work = tokio::spawn(async move { worker.drive(&reference, &drain).await.unwrap() });
        tokio::select! {
            ended = &mut work => {
                ended.unwrap();
                None
            }
            () = self.store.reached() => Some((self.status(job).await, work)),
        }
    }

    /// Begins the job and lets its worker die: nothing it holds is given back.
    async fn die(&self, job: &Job) -> Option<JobStatus> {
        let (status, work) = self.begin(job).await?;
        work.abort();
        let _ = work.await;
        Some(status)
    }

    async fn status(&self, job: &Job) -> JobStatus {
        self.store.load(&job.reference()).await.unwrap().job.status
    }

    async fn count(&self, job: &Job, wanted: impl Fn(&Event) -> bool) -> usize {
        let history = self.bench.engine.history(&author(), &job.id, 0).await.unwrap();
        history.iter().filter(|envelope| wanted(&envelope.event)).count()
    }
}

/// How many trials go on at once; most of their time is waiting for a dead worker's lease to lapse.
const AT_ONCE: usize = 8;

/// Tries both sides of every write until there is none left, and returns the statuses in which a
/// worker was held. Each trial runs its own assertions.
async fn hit<F: Future<Output = Option<JobStatus>>>(trial: impl Fn(Moment) -> F) -> Vec<JobStatus> {
    let moments = (0..).flat_map(|write| [Moment::Before(write), Moment::After(write)]);
    let trials = stream::iter(moments.map(trial)).buffered(AT_ONCE);
    let hit: Vec<_> = trials.take_while(|at| future::ready(at.is_some())).collect().await;
    let hit: Vec<JobStatus> = hit.into_iter().flatten().collect();
    let statuses: BTreeSet<&str> = hit.iter().map(|status| status.as_str()).collect();
    eprintln!("{} moments in {statuses:?}", hit.len());
    hit
}

#[tokio::test]
async fn a_job_goes_on_wherever_its_worker_died() {
    let hit = hit(|moment| async move {
        let held = Held::at(moment).await;
        let job = held.bench.submit(spec()).await;
        let died = held.die(&job).await?;
        let job = held.bench.drive(&job).await;
        assert_eq!(job.status, JobStatus::Succeeded, "{moment:?} in {died:?}: {:?}", job.error);
        let live = held.bench.deployer.live(TARGET);
        assert_eq!(live.as_deref(), Some(job.releases[0].reference.version.as_str()));
        assert_eq!(held.bench.deployer.writes().len(), 1, "{moment:?} in {died:?}: applied twice");
        assert_eq!(held.bench.publisher.published().len(), 1, "{moment:?} in {died:?}");
        let names: Vec<_> = job.evidence.iter().map(|evidence| evidence.name.as_str()).collect();
        assert_eq!(names, ["unit", "deploy.memory/staging/app"], "{moment:?} in {died:?}");
        for stage in Stage::ALL {
            let finished =
                |event: &Event| matches!(event, Event::Finished(output) if output.stage() == stage);
            assert_eq!(held.count(&job, finished).await, 1, "{moment:?} in {died:?}: {stage:?}");
        }
        // What was intended when the worker died is intended again, and recorded once.
        let intended = held.count(&job, |event| event.kind() == "target_intended").await;
        let applied = held.count(&job, |event| event.kind() == "target_applied").await;
        assert!((1..=2).contains(&intended), "{moment:?} in {died:?}: intended {intended} times");
        assert_eq!(applied, 1, "{moment:?} in {died:?}: recorded as applied");
        // PUBLISH asks its publisher again, who has to know what it did.
        let changed = |event: &Event| matches!(event, Event::Published(found) if found.changed);
        assert!(held.count(&job, changed).await <= 1, "{moment:?} in {died:?}: published twice");
        assert_eq!((job.releases.len(), job.publications.len()), (1, 1), "{moment:?} in {died:?}");
        Some(died)
    })
    .await;
    assert!(STAGES.iter().all(|stage| hit.contains(stage)), "{hit:?}");
}

/// A job whose publisher refuses, and which wants its release taken back then.
fn unpublishable(bench: &Bench) -> JobSpec {
    for _ in 0..4 {
        bench.publisher.fail_once(Error::invalid("nobody may see it"));
    }
    let mut spec = spec();
    spec.constraints.on_publish_failure = OnPublishFailure::RollBack;
    spec
}

#[tokio::test]
async fn a_rollback_goes_on_wherever_its_worker_died() {
    let hit = hit(|moment| async move {
        let held = Held::at(moment).await;
        let job = held.bench.submit(unpublishable(&held.bench)).await;
        let died = held.die(&job).await?;
        let job = held.bench.drive(&job).await;
        assert_eq!(job.status, JobStatus::Failed, "{moment:?} in {died:?}: {:?}", job.error);
        assert_eq!(held.bench.deployer.live(TARGET), None, "{moment:?} in {died:?}");
        let writes = held.bench.deployer.writes();
        assert_eq!(writes.len(), 2, "{moment:?} in {died:?}: {writes:?}");
        assert!(job.releases.is_empty() && held.bench.publisher.published().is_empty());
        for kind in ["target_undone", "rolled_back"] {
            assert_eq!(held.count(&job, |event| event.kind() == kind).await, 1, "{moment:?}");
        }
        Some(died)
    })
    .await;
    assert!(hit.contains(&JobStatus::RollingBack), "{hit:?}");
}

#[tokio::test]
async fn a_wish_to_stop_ends_in_all_or_nothing_whenever_it_comes() {
    let hit = hit(|moment| async move {
        let held = Held::at(moment).await;
        let job = held.bench.submit(spec()).await;
        let (at, work) = held.begin(&job).await?;
        let asked = held.bench.engine.cancel(&author(), &job.id, None).await;
        held.store.go_on();
        let job = work.await.unwrap();
        let late = job.status == JobStatus::Succeeded;
        assert!(asked.is_ok() || late, "{moment:?} in {at:?}: {asked:?}");
        let live = held.bench.deployer.live(TARGET).is_some();
        match job.status {
            JobStatus::Aborted => {
                assert!(!live && job.releases.is_empty(), "{moment:?} in {at:?}: still live");
                assert!(job.attestation.is_none(), "{moment:?} in {at:?}");
                assert!(
                    held.bench.publisher.published().is_empty(),
                    "{moment:?} in {at:?}: public"
                );
            }
            JobStatus::Succeeded => {
                assert!(!STAGES[..5].contains(&at), "{moment:?} in {at:?}: nobody listened");
                assert!(live && job.attestation.is_some(), "{moment:?} in {at:?}: half done");
            }
            status => panic!("{moment:?} in {at:?} ended {status:?}: {:?}", job.error),
        }
        Some(at)
    })
    .await;
    assert!(STAGES.iter().all(|stage| hit.contains(stage)), "{hit:?}");
}
