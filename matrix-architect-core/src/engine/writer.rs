//! Writing events of one leased job, fenced.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use super::Parts;
use crate::{
    error::{Error, ErrorKind, Result},
    event::{Actor, Event},
    id::{CommitId, Digest, WorkerId},
    job::Job,
    pipeline::{Dispatch, JobRecord, JobState},
    tenant::JobRef,
    time::Timestamp,
    traits::{Commit, Fence, Lease, Message},
};

/// How often a write is tried while the store is out of reach.
const ATTEMPTS: u32 = 6;

/// Writes events of one leased job. Every event carries the lease's token; the record is always
/// what the store has.
#[derive(Debug)]
pub(crate) struct Writer {
    parts: Arc<Parts>,
    pub(crate) job: JobRef,
    pub(crate) fence: Fence,
    pub(crate) worker: WorkerId,
    record: Mutex<JobRecord>,
}

impl Writer {
    pub(crate) fn new(parts: Arc<Parts>, lease: Lease) -> Self {
        let Lease { job, fence, worker, record, .. } = lease;
        Self { parts, job, fence, worker, record: Mutex::new(record) }
    }

    /// The job as it was last written.
    pub(crate) async fn job(&self) -> Job {
        self.record.lock().await.job.clone()
    }

    /// The whole record as it was last written.
    pub(crate) async fn record(&self) -> JobRecord {
        self.record.lock().await.clone()
    }

    /// The state as it was last written.
    pub(crate) async fn state(&self) -> JobState {
        self.record.lock().await.state.clone()
    }

    /// Writes events of the worker.
    pub(crate) async fn commit(&self, events: Vec<Event>, keeps: Vec<Digest>) -> Result<()> {
        self.write(Actor::Worker(self.worker.clone()), events, keeps, None).await
    }

    /// Writes events that time or an approver made happen.
    pub(crate) async fn commit_as(&self, actor: Actor, events: Vec<Event>) -> Result<()> {
        self.write(actor, events, Vec::new(), None).await
    }

    /// Says when a job that waits for approval is next worth looking at, without an event. Does
    /// nothing if somebody has moved the job meanwhile: their commit says it.
    pub(crate) async fn wake_at(&self, at: Timestamp) -> Result<()> {
        let woken = self.write(Actor::System, Vec::new(), Vec::new(), Some(at)).await;
        woken.or_else(|error| if error.is_conflict() { Ok(()) } else { Err(error) })
    }

    async fn write(
        &self,
        actor: Actor,
        events: Vec<Event>,
        keeps: Vec<Digest>,
        wake_at: Option<Timestamp>,
    ) -> Result<()> {
        let mut record = self.record.lock().await;
        let id = CommitId::from_number(self.parts.ids.next());
        let mut attempt = 0;
        loop {
            let now = self.parts.clock.now();
            let after = match fold(&record, &events, now) {
                Ok(after) => after,
                // The answer to a wish to stop is legal only once the wish itself is folded.
                Err(_) if attempt == 0 => {
                    *record = self.parts.store.load(&self.job).await?;
                    attempt += 1;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let commit = Commit {
                id: id.clone(),
                expected: record.version,
                fence: Some(self.fence),
                actor: actor.clone(),
                events: events.clone(),
                dispatch: wake_at.map_or_else(
                    || self.parts.dispatch(&after.state, now),
                    |at| Dispatch::Ready { at },
                ),
                outbox: Message::of_change(&record, &after).into_iter().collect(),
                keeps: keeps.clone(),
            };
            match self.parts.store.commit(&self.job, commit).await {
                Ok(committed) => {
                    *record = fold(&record, &events, committed.at)?;
                    return Ok(());
                }
                // When to wake up was decided about a job that is another one by now.
                Err(error) if error.is_conflict() && wake_at.is_some() => {
                    *record = self.parts.store.load(&self.job).await?;
                    return Err(error);
                }
                // Somebody wrote a label or a wish to stop: fold again on top of it. If the events
                // are no longer legal, `fold` says so.
                Err(error) if error.is_conflict() && attempt < ATTEMPTS => {
                    *record = self.parts.store.load(&self.job).await?;
                }
                // The same id: if the write had its effect after all, this returns its answer.
                Err(error) if error.is_retryable() && attempt < ATTEMPTS => {
                    tokio::time::sleep(Duration::from_millis(20 << attempt)).await;
                }
                Err(error) => return Err(error.operation("engine.commit")),
            }
            attempt += 1;
        }
    }
}

fn fold(record: &JobRecord, events: &[Event], at: Timestamp) -> Result<JobRecord> {
    let mut after = record.clone();
    for event in events {
        after.apply(event, at).map_err(|illegal| {
            Error::new(ErrorKind::Conflict, "the event may not happen now")
                .code("illegal_transition")
                .source(illegal)
        })?;
    }
    Ok(after)
}
