//! Memory and SQLite give the answers of the model, and so each other's.

use std::{sync::Arc, time::Duration};

use matrix_architect_core::{
    conformance::{
        Serves,
        sample::{cancelled, commit, dispatch, new_job, request},
    },
    error::Result,
    id::TenantId,
    job::Priority,
    pipeline::Dispatch,
    tenant::JobRef,
    traits::{Fence, Queue, Renewal, Store},
};
use proptest::{
    prelude::{Strategy, any, prop_oneof},
    test_runner::{Config, TestRunner},
};

use super::ring::{Job, Ring, TERM};
use crate::common;

#[derive(Clone, Copy, Debug)]
enum Act {
    Create { tenant: usize, rank: u8 },
    Lease { max: usize },
    Renew { job: usize, stale: bool },
    Release { job: usize, stale: bool },
    Park { job: usize },
    Delay { job: usize, seconds: u64 },
    Cancel { job: usize },
    Pause { tenant: usize },
    Resume { tenant: usize },
    Elapse { seconds: u64 },
    Reopen,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let job = 0..20_usize;
    let tenant = 0..3_usize;
    let act = prop_oneof![
        6 => (tenant.clone(), 0..3_u8).prop_map(|(tenant, rank)| Act::Create { tenant, rank }),
        6 => (1..4_usize).prop_map(|max| Act::Lease { max }),
        2 => (job.clone(), any::<bool>()).prop_map(|(job, stale)| Act::Renew { job, stale }),
        2 => (job.clone(), any::<bool>()).prop_map(|(job, stale)| Act::Release { job, stale }),
        1 => job.clone().prop_map(|job| Act::Park { job }),
        1 => (job.clone(), 1..900_u64).prop_map(|(job, seconds)| Act::Delay { job, seconds }),
        1 => job.prop_map(|job| Act::Cancel { job }),
        1 => tenant.clone().prop_map(|tenant| Act::Pause { tenant }),
        1 => tenant.prop_map(|tenant| Act::Resume { tenant }),
        4 => prop_oneof![1..40_u64, 500..1500_u64].prop_map(|seconds| Act::Elapse { seconds }),
        1 => proptest::strategy::Just(Act::Reopen),
    ];
    proptest::collection::vec(act, 1..60)
}

fn tenant(number: usize) -> TenantId {
    TenantId::from_number(number as u128)
}

/// A backend and the model of it.
struct Pair<H> {
    harness: H,
    ring: Ring,
    count: u128,
}

impl<H: Serves<dyn Store> + Serves<dyn Queue>> Pair<H> {
    fn store(&self) -> Arc<dyn Store> {
        self.harness.backend()
    }

    fn queue(&self) -> Arc<dyn Queue> {
        self.harness.backend()
    }

    fn reference(&self, job: usize) -> JobRef {
        let owner = tenant(self.ring.jobs[job].tenant);
        JobRef::new(owner, matrix_architect_core::id::JobId::from_number(job as u128))
    }

    async fn act(&mut self, act: Act) -> Result<()> {
        self.count += 1;
        match act {
            Act::Create { tenant, rank } => self.create(tenant, rank).await?,
            Act::Lease { max } => self.lease(max).await?,
            Act::Pause { tenant: paused } => {
                self.ring.paused.insert(paused);
                self.queue().pause(Some(&tenant(paused))).await?;
            }
            Act::Resume { tenant: paused } => {
                self.ring.paused.remove(&paused);
                self.queue().resume(Some(&tenant(paused))).await?;
            }
            Act::Elapse { seconds } => self.harness.elapse(Duration::from_secs(seconds)).await,
            Act::Reopen => self.harness.reopen().await,
            Act::Renew { job, .. }
            | Act::Release { job, .. }
            | Act::Park { job }
            | Act::Delay { job, .. }
            | Act::Cancel { job }
                if job >= self.ring.jobs.len() => {}
            Act::Renew { job, stale } => self.renew(job, stale).await?,
            Act::Release { job, stale } => self.release(job, stale).await?,
            Act::Park { job } => self.dispatch(job, None).await?,
            Act::Delay { job, seconds } => self.dispatch(job, Some(seconds)).await?,
            Act::Cancel { job } => self.cancel(job).await?,
        }
        let now = self.harness.now().await;
        let stats = self.queue().stats(None).await?;
        let counted = (stats.ready, stats.waiting, stats.leased);
        assert_eq!(counted, self.ring.stats(now), "after {act:?}");
        Ok(())
    }

    async fn create(&mut self, owner: usize, rank: u8) -> Result<()> {
        let now = self.harness.now().await;
        let number = self.ring.jobs.len();
        let mut job = new_job(&tenant(owner), number as u128, now);
        job.spec.priority = [Priority::High, Priority::Normal, Priority::Low][usize::from(rank)];
        self.store().create(vec![job]).await?;
        let run_at = Some(now);
        let job = Job { tenant: owner, rank, run_at, done: false, fence: 0, until: None };
        self.ring.jobs.push(job);
        Ok(())
    }

    async fn lease(&mut self, max: usize) -> Result<()> {
        let now = self.harness.now().await;
        let leases = self.queue().lease(&request(self.count, max).term(TERM)).await?;
        let got: Vec<_> = leases.iter().map(|lease| (lease.job.clone(), lease.fence.0)).collect();
        let expected = self.ring.lease(max, now);
        let expected: Vec<_> =
            expected.into_iter().map(|(job, fence)| (self.reference(job), fence)).collect();
        assert_eq!(got, expected, "leases in their order");
        Ok(())
    }

    async fn renew(&mut self, job: usize, stale: bool) -> Result<()> {
        let (now, reference) = (self.harness.now().await, self.reference(job));
        let model = &mut self.ring.jobs[job];
        let fence = Fence(model.fence.wrapping_sub(u64::from(stale)));
        let holds = !stale && model.until.is_some();
        if holds {
            model.until = Some(now + TERM);
        }
        let expected = if holds { Renewal::Held } else { Renewal::Lost };
        assert_eq!(self.queue().renew(&reference, fence, TERM).await?, expected);
        Ok(())
    }

    async fn release(&mut self, job: usize, stale: bool) -> Result<()> {
        let reference = self.reference(job);
        let model = &mut self.ring.jobs[job];
        let fence = Fence(model.fence.wrapping_sub(u64::from(stale)));
        if !stale {
            model.until = None;
        }
        self.queue().release(&reference, fence).await
    }

    async fn dispatch(&mut self, job: usize, delay: Option<u64>) -> Result<()> {
        let (now, reference) = (self.harness.now().await, self.reference(job));
        let at = delay.map(|seconds| now + Duration::from_secs(seconds));
        if !self.ring.jobs[job].done {
            self.ring.jobs[job].run_at = at;
        }
        let record = self.store().load(&reference).await?;
        let when = at.map_or(Dispatch::Park, |at| Dispatch::Ready { at });
        self.store().commit(&reference, dispatch(&record, self.count, when)).await?;
        Ok(())
    }

    async fn cancel(&mut self, job: usize) -> Result<()> {
        let (now, reference) = (self.harness.now().await, self.reference(job));
        if self.ring.jobs[job].done {
            return Ok(());
        }
        let record = self.store().load(&reference).await?;
        let write = commit(&record, self.count, None, vec![cancelled()], now)?;
        self.store().commit(&reference, write).await?;
        let model = &mut self.ring.jobs[job];
        (model.done, model.run_at, model.until) = (true, None, None);
        Ok(())
    }
}

async fn play<H: Serves<dyn Store> + Serves<dyn Queue>>(harness: H, acts: &[Act]) {
    let mut pair = Pair { harness, ring: Ring::default(), count: 0 };
    for act in acts {
        pair.act(*act).await.unwrap();
    }
}

fn check(cases: u32, run: impl Fn(&tokio::runtime::Runtime, &[Act])) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&acts(), |acts| {
            run(&runtime, &acts);
            Ok(())
        })
        .unwrap();
}

#[test]
fn memory_leases_as_the_model_does() {
    check(512, |runtime, acts| {
        runtime.block_on(play(common::memory::Harness::fresh(), acts));
    });
}

#[test]
fn sqlite_leases_as_the_model_does() {
    check(24, |runtime, acts| {
        runtime.block_on(async { play(common::sqlite::Harness::fresh().await, acts).await });
    });
}
