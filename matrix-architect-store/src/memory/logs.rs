//! Output as it comes.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    error::Result,
    id::Digest,
    tenant::JobRef,
    traits::{Fence, LogId, LogPage, LogStore},
};

use super::Memory;
use crate::{
    decide::log::{self as decide, Append},
    remember::LOG_PAGE,
};

/// One log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// The order in which logs began.
    number: u64,
    fence: Fence,
    bytes: Vec<u8>,
    sealed: Option<Digest>,
}

impl Log {
    fn cut(&self, range: &Range<u64>) -> &[u8] {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.bytes.len());
        let (start, end) = (place(range.start), place(range.end));
        &self.bytes[start..end.max(start)]
    }
}

#[async_trait]
impl LogStore for Memory {
    async fn append(&self, log: &LogId, fence: Fence, at: u64, bytes: Bytes) -> Result<u64> {
        let mut state = self.state();
        let there = state.logs.get(log);
        let (seen, end) = there.map_or((Fence(0), 0), |log| (log.fence, log.bytes.len() as u64));
        let sealed = there.is_some_and(|log| log.sealed.is_some());
        match decide::append(log, (seen, fence), (at, bytes.len() as u64), end, sealed)? {
            Append::Add => {}
            Append::Compare(range) => {
                let known = there.map_or(&[][..], |log| log.cut(&range));
                return decide::repeated(log, known == bytes, range.end);
            }
        }
        let entry = state.begun(log);
        entry.fence = fence;
        entry.bytes.extend_from_slice(&bytes);
        Ok(entry.bytes.len() as u64)
    }

    async fn read(&self, log: &LogId, range: Range<u64>) -> Result<LogPage> {
        let state = self.state();
        let Some(there) = state.logs.get(log) else {
            return Ok(LogPage::new(0, Bytes::new(), 0, false));
        };
        let end = there.bytes.len() as u64;
        let start = range.start.min(end);
        let piece = there.cut(&(start..range.end.min(start + LOG_PAGE)));
        Ok(LogPage::new(start, Bytes::copy_from_slice(piece), end, there.sealed.is_some()))
    }

    async fn list(&self, job: &JobRef) -> Result<Vec<String>> {
        let state = self.state();
        let mut logs: Vec<_> = state.logs.iter().filter(|(log, _)| log.job == *job).collect();
        logs.sort_by_key(|(_, log)| log.number);
        Ok(logs.into_iter().map(|(log, _)| log.name.clone()).collect())
    }

    async fn seal(&self, log: &LogId, fence: Fence) -> Result<Digest> {
        let mut state = self.state();
        let seen = state.logs.get(log).map_or(Fence(0), |log| log.fence);
        decide::fence(log, seen, fence)?;
        let entry = state.begun(log);
        entry.fence = fence;
        Ok(*entry.sealed.get_or_insert_with(|| Digest::of(&entry.bytes)))
    }
}

impl super::State {
    /// The log, begun now if it was not before.
    fn begun(&mut self, log: &LogId) -> &mut Log {
        let begun = &mut self.logs_begun;
        self.logs.entry(log.clone()).or_insert_with(|| {
            *begun += 1;
            Log { number: *begun, ..Log::default() }
        })
    }
}
