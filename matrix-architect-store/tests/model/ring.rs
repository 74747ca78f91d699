//! The queue as a list that is searched anew for every answer.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use matrix_architect_core::time::Timestamp;

pub(crate) const TERM: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) tenant: usize,
    pub(crate) rank: u8,
    /// None: parked or done.
    pub(crate) run_at: Option<Timestamp>,
    pub(crate) done: bool,
    pub(crate) fence: u64,
    pub(crate) until: Option<Timestamp>,
}

impl Job {
    fn ready_at(&self) -> Option<Timestamp> {
        Some(self.run_at?.max(self.until.unwrap_or_default()))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ring {
    pub(crate) jobs: Vec<Job>,
    pub(crate) paused: BTreeSet<usize>,
    turns: BTreeMap<usize, i64>,
}

impl Ring {
    /// The numbers and fences of up to `max` leases, in order.
    pub(crate) fn lease(&mut self, max: usize, now: Timestamp) -> Vec<(usize, u64)> {
        let mut leases = Vec::new();
        // All turns of a request are counted from where the ring was when it came.
        let present = self.turns.values().max().map_or(0, |latest| (latest - 1).max(0));
        while leases.len() < max {
            let ready = |job: &&(usize, &Job)| {
                !self.paused.contains(&job.1.tenant) && job.1.ready_at().is_some_and(|at| at <= now)
            };
            let jobs: Vec<_> = self.jobs.iter().enumerate().collect();
            let turn = |tenant: usize| self.turns.get(&tenant).copied().unwrap_or(0).max(present);
            let order = |&(number, job): &(usize, &Job)| {
                let aged = job.ready_at().unwrap() + Duration::from_secs(600 * u64::from(job.rank));
                (turn(job.tenant), job.tenant, aged, number)
            };
            let Some((number, _)) = jobs.iter().filter(ready).copied().min_by_key(order) else {
                break;
            };
            let job = &mut self.jobs[number];
            self.turns.insert(
                job.tenant,
                self.turns.get(&job.tenant).copied().unwrap_or(0).max(present) + 1,
            );
            job.fence += 1;
            job.until = Some(now + TERM);
            leases.push((number, job.fence));
        }
        leases
    }

    /// Ready at each rank, waiting, leased.
    pub(crate) fn stats(&self, now: Timestamp) -> ([u64; 3], u64, u64) {
        let (mut ready, mut waiting, mut leased) = ([0; 3], 0, 0);
        for job in self.jobs.iter().filter(|job| !job.done) {
            if job.until.is_some_and(|until| until > now) {
                leased += 1;
            } else if job.run_at.is_some_and(|at| at <= now) {
                ready[usize::from(job.rank)] += 1;
            } else {
                waiting += 1;
            }
        }
        (ready, waiting, leased)
    }
}
