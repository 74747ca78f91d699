//! Holding the lease, apart from the work: a task of its own that nothing blocks.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinHandle, time::Instant};

use super::Parts;
use crate::{
    error::{Error, ErrorKind},
    tenant::JobRef,
    time::Timestamp,
    traits::{Cancel, Fence, Renewal},
};

/// Why a running stage is asked to stop; a graver reason replaces a lighter one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StopReason {
    /// It is not.
    None = 0,
    /// Somebody wants the job to stop.
    Requested = 1,
    /// The job took too long.
    Deadline = 2,
    /// The lease is lost: nothing more may be written.
    Lost = 3,
}

/// Renews a lease until it is dropped, and tells the stage to stop when it must.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    reason: Arc<AtomicU8>,
    task: JoinHandle<()>,
}

impl Heartbeat {
    /// Begins to renew, while one stage runs.
    pub(crate) fn start(parts: Arc<Parts>, held: Held, stage: Watched) -> Self {
        let reason = Arc::new(AtomicU8::new(StopReason::None as u8));
        let task = tokio::spawn(beat(parts, held, stage, Arc::clone(&reason)));
        Self { reason, task }
    }

    /// Why the stage was asked to stop.
    pub(crate) fn reason(&self) -> StopReason {
        match self.reason.load(Ordering::Acquire) {
            1 => StopReason::Requested,
            2 => StopReason::Deadline,
            3 => StopReason::Lost,
            _ => StopReason::None,
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A lease and since when it is known to hold. The term counts from before the request was sent,
/// on a clock that only goes forward.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) job: JobRef,
    pub(crate) fence: Fence,
    since: Arc<Mutex<Instant>>,
}

impl Held {
    pub(crate) fn new(job: JobRef, fence: Fence, sent: Instant) -> Self {
        Self { job, fence, since: Arc::new(Mutex::new(sent)) }
    }

    fn renewed(&self, sent: Instant) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = sent;
    }

    fn age(&self) -> Duration {
        self.since.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }
}

/// What is told to stop, and when it must be done.
#[derive(Clone, Debug)]
pub(crate) struct Watched {
    pub(crate) cancel: Cancel,
    pub(crate) deadline: Option<Timestamp>,
}

async fn beat(parts: Arc<Parts>, held: Held, stage: Watched, reason: Arc<AtomicU8>) {
    let term = parts.settings.lease_term;
    let stop = |found| {
        reason.fetch_max(found as u8, Ordering::AcqRel);
        stage.cancel.cancel();
    };
    loop {
        tokio::time::sleep(pause(term, stage.deadline, parts.clock.now())).await;
        if stage.deadline.is_some_and(|deadline| deadline <= parts.clock.now()) {
            stop(StopReason::Deadline);
        }
        let sent = Instant::now();
        // A store that hangs must not keep us from noticing that the term is over.
        let left = term.saturating_sub(held.age()).max(Duration::from_millis(50));
        let renewal = parts.queue.renew(&held.job, held.fence, term);
        let renewal = tokio::time::timeout(left, renewal).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Timeout, "the store did not answer within the term"))
        });
        match renewal {
            Ok(Renewal::Held) => held.renewed(sent),
            Ok(Renewal::Cancelling) => {
                held.renewed(sent);
                stop(StopReason::Requested);
            }
            Ok(Renewal::Lost) => return stop(StopReason::Lost),
            Err(error) if error.is_fenced() => return stop(StopReason::Lost),
            Err(error) => tracing::warn!(job = %held.job, %error, "a lease could not be renewed"),
        }
        // Nobody answered for a whole term: somebody else may have the job by now.
        if held.age() >= term {
            return stop(StopReason::Lost);
        }
    }
}

/// A third of the term, but never so long that a wish to stop or the deadline is noticed late.
fn pause(term: Duration, deadline: Option<Timestamp>, now: Timestamp) -> Duration {
    const LEAST: Duration = Duration::from_millis(20);
    const MOST: Duration = Duration::from_millis(500);
    let left = deadline.map_or(MOST, |deadline| deadline.since(now));
    // Past the deadline the stage knows already; go on renewing while it stops.
    let left = if left.is_zero() { MOST } else { left };
    (term / 3).min(MOST).min(left).max(LEAST)
}
