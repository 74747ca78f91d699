//! Which job next, and who holds it.

use std::{pin::pin, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    id::TenantId,
    tenant::JobRef,
    traits::{Candidate, Fence, Lease, LeaseRequest, Queue, QueueStats, Renewal},
};
use tokio::time::timeout_at;

use super::Memory;
use crate::wait::Looks;

#[async_trait]
impl Queue for Memory {
    async fn offer(&self, _: &[Candidate]) -> Result<()> {
        // The jobs are here already.
        self.changed.notify_waiters();
        Ok(())
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let looks = Looks::new(&request.id, request.wait);
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            let leases = self.lease_now(request)?;
            if !leases.is_empty() {
                return Ok(leases);
            }
            let Some(next) = looks.next() else { return Ok(leases) };
            let _ = timeout_at(next, changed).await;
        }
    }

    async fn renew(&self, job: &JobRef, fence: Fence, term: Duration) -> Result<Renewal> {
        let now = self.now();
        let mut state = self.state();
        let number = state.jobs.number(job)?;
        Ok(state.jobs.change(number, |entry| {
            let Some((_, until)) = entry.holder.as_mut().filter(|_| entry.fence == fence) else {
                return Renewal::Lost;
            };
            *until = now + term;
            if entry.record.state.cancelling { Renewal::Cancelling } else { Renewal::Held }
        }))
    }

    async fn release(&self, job: &JobRef, fence: Fence) -> Result<()> {
        let mut state = self.state();
        let number = state.jobs.number(job)?;
        state.jobs.change(number, |entry| {
            if entry.fence == fence {
                entry.holder = None;
            }
        });
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn stats(&self, tenant: Option<&TenantId>) -> Result<QueueStats> {
        let now = self.now();
        let state = self.state();
        let mut stats = QueueStats::default();
        let counted = |of: &TenantId| tenant.is_none_or(|tenant| tenant == of);
        for entry in state.jobs.entries.iter().filter(|entry| counted(&entry.record.job.tenant)) {
            if entry.record.state.phase.is_terminal() {
                continue;
            }
            if entry.is_leased(now) {
                stats.leased += 1;
            } else if entry.ready_at().is_some_and(|at| at <= now) {
                stats.ready[usize::from(entry.record.job.priority.rank())] += 1;
            } else {
                stats.waiting += 1;
            }
        }
        stats.paused = state.paused.contains(&None) || state.paused.contains(&tenant.cloned());
        Ok(stats)
    }

    async fn pause(&self, tenant: Option<&TenantId>) -> Result<()> {
        self.state().paused.insert(tenant.cloned());
        Ok(())
    }

    async fn resume(&self, tenant: Option<&TenantId>) -> Result<()> {
        self.state().paused.remove(&tenant.cloned());
        self.changed.notify_waiters();
        Ok(())
    }
}

impl Memory {
    fn lease_now(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let now = self.now();
        let mut guard = self.state();
        let state = &mut *guard;
        if let Some(leases) = state.jobs.granted(request) {
            return Ok(leases);
        }
        let mut grants = Vec::new();
        while grants.len() < request.max {
            let wanted = request.max - grants.len();
            let picked = state.jobs.pick(&state.paused, request.rules, now, wanted);
            if picked.is_empty() {
                break;
            }
            for number in picked {
                grants.extend(state.jobs.lease(number, request, now)?);
            }
        }
        Ok(state.jobs.grant(request, grants, now))
    }
}
