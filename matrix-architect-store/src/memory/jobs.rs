//! The jobs, and the indexes by which they are found.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use matrix_architect_core::{
    error::Result,
    event::EventEnvelope,
    id::{CommitId, RequestId, TenantId, WorkerId},
    job::NewJob,
    pipeline::{Dispatch, JobRecord},
    tenant::JobRef,
    time::Timestamp,
    traits::{Committed, Fence, Lease, LeaseRequest, Message},
};

use crate::{
    decide::job::{self as decide, Change},
    remember::LEASES_KEPT,
    schedule::{self, Head, Line},
};

/// A job and what the store knows of it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) record: JobRecord,
    pub(super) history: Vec<EventEnvelope>,
    pub(super) answers: HashMap<CommitId, Committed>,
    pub(super) dispatch: Dispatch,
    pub(super) fence: Fence,
    pub(super) holder: Option<(WorkerId, Timestamp)>,
}

impl Entry {
    fn new(new: &NewJob, now: Timestamp) -> Self {
        let record = JobRecord::new(new);
        let dispatch = record.state.dispatch(now);
        Self {
            record,
            history: Vec::new(),
            answers: HashMap::new(),
            dispatch,
            fence: Fence(0),
            holder: None,
        }
    }

    /// From when on it may be leased; never if it is parked or done.
    pub(super) fn ready_at(&self) -> Option<Timestamp> {
        let Dispatch::Ready { at } = self.dispatch else { return None };
        Some(self.holder.as_ref().map_or(at, |(_, until)| at.max(*until)))
    }

    pub(super) fn is_leased(&self, now: Timestamp) -> bool {
        self.holder.as_ref().is_some_and(|(_, until)| *until > now)
    }

    fn take(&mut self, change: Change) {
        self.record = change.record;
        self.history.extend(change.envelopes);
        self.dispatch = change.dispatch;
        if self.dispatch == Dispatch::Done {
            self.holder = None;
        }
    }
}

/// Priority's rank, ready since, number.
type Place = (u8, Timestamp, usize);

/// All jobs.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    /// In the order of creation.
    pub(super) entries: Vec<Entry>,
    numbers: BTreeMap<JobRef, usize>,
    keys: BTreeMap<(TenantId, String), usize>,
    ready: BTreeMap<TenantId, BTreeSet<Place>>,
    turns: BTreeMap<TenantId, i64>,
    granted: HashMap<RequestId, (Timestamp, Vec<(usize, Fence)>)>,
    pub(super) outbox: Vec<Message>,
}

impl Jobs {
    pub(super) fn number(&self, job: &JobRef) -> Result<usize> {
        self.numbers.get(job).copied().ok_or_else(|| decide::no_such_job(job))
    }

    pub(super) fn get(&self, job: &JobRef) -> Result<&Entry> {
        Ok(&self.entries[self.number(job)?])
    }

    /// The job that `new` is already, by its id or its key.
    pub(super) fn existing(&self, new: &NewJob) -> Option<usize> {
        let by_key = |key: &String| self.keys.get(&(new.job.tenant.clone(), key.clone()));
        let by_id = self.numbers.get(&new.job);
        by_id.or_else(|| new.spec.idempotency_key.as_ref().and_then(by_key)).copied()
    }

    pub(super) fn add(&mut self, new: &NewJob, now: Timestamp) -> usize {
        let number = self.entries.len();
        self.numbers.insert(new.job.clone(), number);
        if let Some(key) = &new.spec.idempotency_key {
            self.keys.insert((new.job.tenant.clone(), key.clone()), number);
        }
        self.turns.entry(new.job.tenant.clone()).or_default();
        self.entries.push(Entry::new(new, now));
        self.enter(number);
        number
    }

    /// Changes a job and moves it to its new place among those that wait.
    pub(super) fn change<T>(&mut self, number: usize, act: impl FnOnce(&mut Entry) -> T) -> T {
        self.leave(number);
        let answer = act(&mut self.entries[number]);
        self.enter(number);
        answer
    }

    pub(super) fn take(&mut self, number: usize, mut change: Change) {
        self.tell(std::mem::take(&mut change.messages));
        self.change(number, |entry| entry.take(change));
    }

    /// Keeps messages; one that is there already was told before.
    fn tell(&mut self, messages: Vec<Message>) {
        for message in messages {
            if self.outbox.iter().all(|told| told.id != message.id) {
                self.outbox.push(message);
            }
        }
    }

    fn place(&self, number: usize) -> Option<(TenantId, Place)> {
        let entry = &self.entries[number];
        let ready_at = entry.ready_at()?;
        let rank = entry.record.job.priority.rank();
        Some((entry.record.job.tenant.clone(), (rank, ready_at, number)))
    }

    fn enter(&mut self, number: usize) {
        if let Some((tenant, place)) = self.place(number) {
            self.ready.entry(tenant).or_default().insert(place);
        }
    }

    fn leave(&mut self, number: usize) {
        if let Some((tenant, place)) = self.place(number) {
            self.ready.entry(tenant).or_default().remove(&place);
        }
    }

    /// Picks up to `max` ready jobs and charges their tenants for the turn.
    pub(super) fn pick(
        &mut self,
        paused: &BTreeSet<Option<TenantId>>,
        rules: u32,
        now: Timestamp,
        max: usize,
    ) -> Vec<usize> {
        if paused.contains(&None) {
            return Vec::new();
        }
        let lines =
            self.ready.iter().filter(|(tenant, _)| !paused.contains(&Some((*tenant).clone())));
        let lines = lines.map(|(tenant, places)| Line {
            tenant: tenant.clone(),
            turn: self.turns.get(tenant).copied().unwrap_or(0),
            heads: self.heads(places, rules, now, max),
        });
        let latest = self.turns.values().copied().max().unwrap_or(0);
        let picked = schedule::pick(lines.collect(), latest, max);
        self.turns.extend(picked.turns);
        picked.jobs.into_iter().filter_map(|number| usize::try_from(number).ok()).collect()
    }

    fn heads(&self, places: &BTreeSet<Place>, rules: u32, now: Timestamp, max: usize) -> Vec<Head> {
        let first = |rank: u8| {
            let waiting = places.range((rank, Timestamp::from_micros(i64::MIN), 0)..);
            let ready = waiting.take_while(move |(at, since, _)| *at == rank && *since <= now);
            let legible =
                ready.filter(|(.., number)| self.entries[*number].record.state.rules <= rules);
            legible.take(max).filter_map(|&(rank, ready_at, number)| {
                Some(Head { number: i64::try_from(number).ok()?, rank, ready_at })
            })
        };
        (0..3).flat_map(first).collect()
    }

    /// Leases a job if it may be leased now. A lost worker is recorded even if that ends the job.
    pub(super) fn lease(
        &mut self,
        number: usize,
        request: &LeaseRequest,
        now: Timestamp,
    ) -> Result<Option<(usize, Fence)>> {
        let entry = &self.entries[number];
        let is_ready = entry.ready_at().is_some_and(|at| at <= now);
        if !is_ready || entry.record.state.rules > request.rules {
            return Ok(None);
        }
        let lost = entry.holder.as_ref().map(|(worker, _)| worker.clone());
        if let Some(change) = decide::take_over(&entry.record, lost, now)? {
            self.take(number, change);
        }
        Ok(self.change(number, |entry| {
            entry.fence.0 += 1;
            entry.holder = None;
            entry.ready_at().filter(|at| *at <= now)?;
            entry.holder = Some((request.worker.clone(), now + request.term));
            Some((number, entry.fence))
        }))
    }

    /// The leases the request was granted before.
    pub(super) fn granted(&self, request: &LeaseRequest) -> Option<Vec<Lease>> {
        let (_, grants) = self.granted.get(&request.id)?;
        Some(self.leases(grants, request))
    }

    /// Remembers what the request was granted, and forgets what nobody will ask for again.
    pub(super) fn grant(
        &mut self,
        request: &LeaseRequest,
        grants: Vec<(usize, Fence)>,
        now: Timestamp,
    ) -> Vec<Lease> {
        let leases = self.leases(&grants, request);
        if !grants.is_empty() {
            self.granted.retain(|_, (at, _)| now.since(*at) < LEASES_KEPT);
            self.granted.insert(request.id.clone(), (now, grants));
        }
        leases
    }

    fn leases(&self, grants: &[(usize, Fence)], request: &LeaseRequest) -> Vec<Lease> {
        let lease = |&(number, fence): &(usize, Fence)| {
            let record = self.entries[number].record.clone();
            let job = record.job.reference();
            Lease { job, fence, worker: request.worker.clone(), term: request.term, record }
        };
        grants.iter().map(lease).collect()
    }
}
