//! Waiting for a job.

use std::{
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    time::Duration,
};

use matrix_architect_core::id::RequestId;
use tokio::time::Instant;

/// Between two looks at what other processes wrote, or at a moment that has come.
const POLL: Duration = Duration::from_millis(50);

/// The looks of one waiting request. Their distance differs from request to request, so that
/// workers that began together do not look together for ever.
#[derive(Debug)]
pub(crate) struct Looks {
    end: Instant,
    distance: Duration,
}

impl Looks {
    /// Looks until `wait` has passed.
    pub(crate) fn new(request: &RequestId, wait: Duration) -> Self {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(request);
        let distance = POLL + Duration::from_millis(hash % 50);
        // A wait that no clock can hold is as good as one of a day.
        let end = Instant::now().checked_add(wait).unwrap_or(Instant::now() + POLL * 1_728_000);
        Self { end, distance }
    }

    /// When to look again; `None` if the time is up.
    pub(crate) fn next(&self) -> Option<Instant> {
        let now = Instant::now();
        (now < self.end).then(|| (now + self.distance).min(self.end))
    }
}
