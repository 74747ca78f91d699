//! Whether bytes may be added to a log.

use std::ops::Range;

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{Fence, LogId},
};

/// What an append is.
#[derive(Debug)]
pub(crate) enum Append {
    /// New bytes at the end.
    Add,
    /// Bytes for a place that is written already: the same ones again, or a conflict.
    Compare(Range<u64>),
}

/// Decides an append of `len` bytes at `at` to a log that ends at `end`, by a writer with the
/// second fence where the first was seen.
pub(crate) fn append(
    log: &LogId,
    (seen, given): (Fence, Fence),
    (at, len): (u64, u64),
    end: u64,
    sealed: bool,
) -> Result<Append> {
    fence(log, seen, given)?;
    match at.checked_add(len) {
        Some(until) if at < end && until <= end => Ok(Append::Compare(at..until)),
        Some(_) if at != end => Err(misplaced(log, end)),
        None => Err(misplaced(log, end)),
        Some(_) if sealed && len == 0 => Ok(Append::Compare(at..at)),
        Some(_) if sealed => Err(Error::new(ErrorKind::Conflict, "the log is sealed")
            .code("sealed")
            .context("log", &log.name)),
        Some(_) => Ok(Append::Add),
    }
}

/// Whether a writer with the second fence may write where the first was seen.
pub(crate) fn fence(log: &LogId, seen: Fence, given: Fence) -> Result<()> {
    if given >= seen {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Fenced, "another worker writes the log").context("log", &log.name))
}

/// The answer to bytes for a place that is written already.
pub(crate) fn repeated(log: &LogId, same: bool, until: u64) -> Result<u64> {
    if same { Ok(until) } else { Err(misplaced(log, until).code("other_bytes")) }
}

fn misplaced(log: &LogId, end: u64) -> Error {
    Error::new(ErrorKind::Conflict, "the log does not end there")
        .code("misplaced")
        .context("log", &log.name)
        .context("end", end)
        .advice("read where the log ends and append there")
}
