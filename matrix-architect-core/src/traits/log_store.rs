//! Output as it comes, line by line, for whoever watches.

use std::{fmt::Debug, ops::Range};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Fence;
use crate::{error::Result, id::Digest, tenant::JobRef};

/// Which log: a job's log of that name, such as `VERIFY` or `deploy`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogId {
    /// Of which job.
    pub job: JobRef,
    /// Its name within the job.
    pub name: String,
}

/// A piece of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogPage {
    /// Where it begins, in bytes from the start of the log.
    pub start: u64,
    /// The bytes; fewer than asked for at the end of what there is.
    pub bytes: Bytes,
    /// How long the log is now.
    pub end: u64,
    /// Whether nothing will be added any more.
    pub sealed: bool,
}

impl LogPage {
    /// A page of its parts.
    pub const fn new(start: u64, bytes: Bytes, end: u64, sealed: bool) -> Self {
        Self { start, bytes, end, sealed }
    }
}

/// Logs that grow at their end and are sealed.
///
/// # Contract
/// 1. `what_was_appended_is_read`, in order, also after reopening.
/// 2. `an_append_at_the_wrong_place_conflicts`: `at` is where the caller believes the log ends.
///    `a_repeated_append_returns_its_first_answer`: the same bytes at the same place, also when the
///    log has grown or was sealed since.
/// 3. `a_stale_fence_cannot_append`: `Fenced`. A higher fence than seen before takes the log over.
/// 4. `a_sealed_log_takes_no_more`, and sealing twice returns the same digest: the SHA-256 of the
///    whole log.
/// 5. `an_unknown_log_is_empty`: a page with `end` 0, not an error.
/// 6. `another_tenants_log_is_empty`.
/// 7. `a_range_is_cut_exactly`, at most 1 MiB a page; one that starts beyond the end is empty.
/// 8. `logs_are_listed_in_the_order_they_began`.
///
/// Every write is durable before it returns.
#[async_trait]
pub trait LogStore: Debug + Send + Sync + 'static {
    /// Adds bytes at `at` and returns where the log now ends.
    async fn append(&self, log: &LogId, fence: Fence, at: u64, bytes: Bytes) -> Result<u64>;

    /// Reads a range, cut to what there is.
    async fn read(&self, log: &LogId, range: Range<u64>) -> Result<LogPage>;

    /// The names of a job's logs, in the order they began.
    async fn list(&self, job: &JobRef) -> Result<Vec<String>>;

    /// Ends the log and returns the digest of all of it.
    async fn seal(&self, log: &LogId, fence: Fence) -> Result<Digest>;
}
