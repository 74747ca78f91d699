//! The worker loop: lease, work, give back.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{Engine, drive::Attempt};
use crate::{
    error::Result,
    id::{RequestId, WorkerId},
    job::Job,
    pipeline::{Dispatch, JobRecord, Phase},
    tenant::JobRef,
    time::Timestamp,
    traits::{Cancel, Candidate, Lease, LeaseRequest},
};

/// One worker: takes one job at a time. Run several for several at once.
#[derive(Clone, Debug)]
pub struct Worker {
    engine: Engine,
    id: WorkerId,
}

impl Engine {
    /// A worker of that name.
    pub fn worker(&self, id: WorkerId) -> Worker {
        Worker { engine: self.clone(), id }
    }
}

impl Worker {
    /// Works until `drain` is cancelled: the stage under way is then finished, the job given back,
    /// and nothing more is taken. Faults of the store are logged and waited out.
    pub async fn run(&self, drain: &Cancel) {
        let mut pause = Duration::from_millis(100);
        while !drain.is_cancelled() {
            match self.run_once(drain).await {
                Ok(_) => pause = Duration::from_millis(100),
                Err(error) => {
                    tracing::warn!(worker = %self.id, %error, "the worker could not go on");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
            }
        }
    }

    /// Waits for a job as long as the engine's settings say, and takes it as far as it goes.
    /// Returns whether there was one.
    ///
    /// # Errors
    /// Whatever the queue or the store meets; a job that fails is no error.
    pub async fn run_once(&self, drain: &Cancel) -> Result<bool> {
        let parts = &self.engine.0;
        let request = self.request(parts.settings.lease_wait);
        let sent = Instant::now();
        let leases = tokio::select! {
            leases = parts.queue.lease(&request) => leases?,
            // What a dropped call may have leased is asked for again, by the same request, so
            // that it can be given back at once instead of lapsing.
            () = drain.cancelled() => {
                let again = self.request(Duration::ZERO);
                let again = LeaseRequest { id: request.id.clone(), ..again };
                for lease in parts.queue.lease(&again).await? {
                    parts.queue.release(&lease.job, lease.fence).await?;
                }
                return Ok(false);
            }
        };
        let Some(lease) = leases.into_iter().next() else { return Ok(false) };
        self.attempt(lease, sent, drain).await?;
        Ok(true)
    }

    /// Takes this one job as far as it goes: to its end, or until somebody has to act. Waits for
    /// its time and for another worker's lease to run out.
    ///
    /// # Errors
    /// `NotFound` if there is no such job, or whatever the store meets. A job that fails is no
    /// error.
    pub async fn drive(&self, job: &JobRef, drain: &Cancel) -> Result<Job> {
        let parts = &self.engine.0;
        loop {
            let record = parts.store.load(job).await?;
            let now = parts.clock.now();
            if is_settled(&record, parts.dispatch(&record.state, now), now) || drain.is_cancelled()
            {
                return Ok(record.job);
            }
            let candidate = candidate(&record, parts.clock.now());
            let sent = Instant::now();
            let request = self.request(Duration::ZERO);
            match parts.store.claim(&[candidate], &request).await?.into_iter().next() {
                Some(lease) => self.attempt(lease, sent, drain).await?,
                // Its approver was asked and has not answered.
                None if record.state.phase == Phase::AwaitingApproval => return Ok(record.job),
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn attempt(&self, lease: Lease, sent: Instant, drain: &Cancel) -> Result<()> {
        let parts = Arc::clone(&self.engine.0);
        // Boxed: all stages together are a large future.
        Box::pin(Attempt::new(parts, lease, sent, drain.clone()).run()).await
    }

    fn request(&self, wait: Duration) -> LeaseRequest {
        let parts = &self.engine.0;
        LeaseRequest::new(RequestId::from_number(parts.ids.next()), self.id.clone())
            .term(parts.settings.lease_term)
            .wait(wait)
    }
}

/// Whether nothing happens to the job until somebody acts.
fn is_settled(record: &JobRecord, dispatch: Dispatch, now: Timestamp) -> bool {
    match record.state.phase {
        Phase::AwaitingApproval => match dispatch {
            Dispatch::Ready { at } => at > now,
            Dispatch::Park | Dispatch::Done => true,
        },
        Phase::NeedsOperator => true,
        phase => phase.is_terminal(),
    }
}

pub(crate) fn candidate(record: &JobRecord, now: Timestamp) -> Candidate {
    Candidate { job: record.job.reference(), priority: record.job.priority, run_at: now }
}
