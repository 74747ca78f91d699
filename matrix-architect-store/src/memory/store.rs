//! Jobs and their events.

use std::collections::BTreeMap;

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    event::EventEnvelope,
    id::{MessageId, TenantId},
    job::{JobStatus, NewJob},
    pipeline::JobRecord,
    tenant::JobRef,
    traits::{
        Candidate, Commit, Committed, JobPage, JobQuery, Lease, LeaseRequest, Message, Operator,
        Store,
    },
};

use super::{Memory, jobs::Jobs};
use crate::{
    decide::job as decide,
    remember::{cursor, page_size},
};

#[async_trait]
impl Store for Memory {
    async fn create(&self, jobs: Vec<NewJob>) -> Result<Vec<JobRecord>> {
        let now = self.now();
        let mut state = self.state();
        check_all(&state.jobs, &jobs)?;
        let number = |new: &NewJob| match state.jobs.existing(new) {
            Some(number) => number,
            None => state.jobs.add(new, now),
        };
        let numbers: Vec<usize> = jobs.iter().map(number).collect();
        let entries = &state.jobs.entries;
        let records = numbers.into_iter().map(|number| entries[number].record.clone()).collect();
        drop(state);
        self.changed.notify_waiters();
        Ok(records)
    }

    async fn commit(&self, job: &JobRef, commit: Commit) -> Result<Committed> {
        let now = self.now();
        let mut state = self.state();
        let number = state.jobs.number(job)?;
        let entry = &state.jobs.entries[number];
        if let Some(first) = entry.answers.get(&commit.id) {
            return Ok(first.clone());
        }
        let change = decide::commit(&entry.record, entry.fence, &commit, now)?;
        let answer = Committed::new(change.record.version, now);
        state.jobs.take(number, change);
        state.jobs.entries[number].answers.insert(commit.id, answer.clone());
        drop(state);
        self.changed.notify_waiters();
        Ok(answer)
    }

    async fn load(&self, job: &JobRef) -> Result<JobRecord> {
        Ok(self.state().jobs.get(job)?.record.clone())
    }

    async fn history(&self, job: &JobRef, after: u64, limit: usize) -> Result<Vec<EventEnvelope>> {
        let state = self.state();
        let history = &state.jobs.get(job)?.history;
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(history.iter().skip(after).take(limit).cloned().collect())
    }

    async fn list(&self, tenant: &TenantId, query: &JobQuery) -> Result<JobPage> {
        let (after, limit) = (cursor(query)?, page_size(query));
        let state = self.state();
        let entries = &state.jobs.entries;
        let end = after.map_or(entries.len(), |number| {
            usize::try_from(number).unwrap_or(0).min(entries.len())
        });
        let matching = (0..end).rev().filter(|number| {
            let record = &entries[*number].record;
            record.job.tenant == *tenant && matches(record, query)
        });
        let mut numbers: Vec<usize> = matching.take(limit + 1).collect();
        let more = numbers.len() > limit;
        numbers.truncate(limit);
        let next = numbers.last().filter(|_| more).map(ToString::to_string);
        let jobs = numbers.into_iter().map(|number| entries[number].record.clone()).collect();
        Ok(JobPage::new(jobs, next))
    }

    async fn claim(&self, candidates: &[Candidate], request: &LeaseRequest) -> Result<Vec<Lease>> {
        let now = self.now();
        let mut state = self.state();
        if let Some(leases) = state.jobs.granted(request) {
            return Ok(leases);
        }
        let mut grants = Vec::new();
        for candidate in candidates {
            if grants.len() == request.max {
                break;
            }
            let Ok(number) = state.jobs.number(&candidate.job) else { continue };
            grants.extend(state.jobs.lease(number, request, now)?);
        }
        Ok(state.jobs.grant(request, grants, now))
    }

    async fn outbox(&self, limit: usize) -> Result<Vec<Message>> {
        Ok(self.state().jobs.outbox.iter().take(limit).cloned().collect())
    }

    async fn delivered(&self, ids: &[MessageId]) -> Result<()> {
        self.state().jobs.outbox.retain(|message| !ids.contains(&message.id));
        Ok(())
    }
}

/// All or none: nothing is added before all of them were looked at.
fn check_all(jobs: &Jobs, new: &[NewJob]) -> Result<()> {
    let mut batch: Vec<JobRecord> = Vec::new();
    for new in new {
        let stored = jobs.existing(new).map(|number| &jobs.entries[number].record);
        let same_name = |record: &&JobRecord| {
            let key = &new.spec.idempotency_key;
            record.job.tenant == new.job.tenant
                && (record.job.id == new.job.id
                    || (key.is_some() && record.spec.idempotency_key == *key))
        };
        match stored.or_else(|| batch.iter().find(same_name)) {
            Some(record) if decide::is_same(record, new) => {}
            Some(record) => return Err(decide::clash(record, new)),
            None => batch.push(JobRecord::new(new)),
        }
    }
    Ok(())
}

fn matches(record: &JobRecord, query: &JobQuery) -> bool {
    let job = &record.job;
    let carries = |(name, value): &(String, String)| job.labels.get(name) == Some(value);
    (query.statuses.is_empty() || query.statuses.contains(&job.status))
        && query.labels.iter().all(carries)
        && (query.idempotency_key.is_none() || query.idempotency_key == job.idempotency_key)
}

#[async_trait]
impl Operator for Memory {
    async fn census(&self) -> Result<Vec<(TenantId, JobStatus, u64)>> {
        let mut counts = BTreeMap::new();
        for entry in &self.state().jobs.entries {
            let job = &entry.record.job;
            *counts.entry((job.tenant.clone(), job.status)).or_insert(0) += 1;
        }
        Ok(counts.into_iter().map(|((tenant, status), count)| (tenant, status, count)).collect())
    }
}
