//! Writing events of one leased job, fenced.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;

use super::Parts;
use crate::{
    error::{Error, ErrorKind, Result},
    event::{Actor, Event},
    id::{CommitId, Digest, MessageId, WorkerId},
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

    /// Says when a waiting job is next worth looking at, without an event.
    pub(crate) async fn wake_at(&self, at: Timestamp) -> Result<()> {
        self.write(Actor::System, Vec::new(), Vec::new(), Some(Dispatch::Ready { at })).await
    }

    async fn write(
        &self,
        actor: Actor,
        events: Vec<Event>,
        keeps: Vec<Digest>,
        dispatch: Option<Dispatch>,
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
                dispatch: dispatch.unwrap_or_else(|| after.state.dispatch(now)),
                outbox: self.messages(&record, &after),
                keeps: keeps.clone(),
            };
            match self.parts.store.commit(&self.job, commit).await {
                Ok(committed) => {
                    *record = fold(&record, &events, committed.at)?;
                    return Ok(());
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

    /// What the outside is told: every change of status, and the end.
    fn messages(&self, before: &JobRecord, after: &JobRecord) -> Vec<Message> {
        if before.job.status == after.job.status {
            return Vec::new();
        }
        let ended = after.job.status.is_terminal();
        let topic = if ended { "job.finished" } else { "job.status" };
        vec![Message {
            id: MessageId::from_number(self.parts.ids.next()),
            job: self.job.clone(),
            topic: topic.to_owned(),
            body: serde_json::json!({
                "status": after.job.status,
                "stage": after.job.current_stage,
                "error": after.job.error,
            }),
        }]
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
