//! Whether a lock may be taken.

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::WorkerId,
    time::Timestamp,
    traits::LockKey,
};

/// Whether `holder` may take a lock that is `held` by somebody until some moment. Its own holder
/// may take it anew, after a crash: the new token then shuts out the old one.
pub(crate) fn acquire(
    key: &LockKey,
    held: Option<&(WorkerId, Timestamp)>,
    holder: &WorkerId,
    now: Timestamp,
) -> Result<()> {
    match held {
        Some((other, until)) if *until > now && other != holder => {
            Err(Error::new(ErrorKind::Conflict, "somebody else holds the lock")
                .code("locked")
                .context("lock", &key.name)
                .context("holder", other)
                .context("until", until)
                .retry_after(until.since(now)))
        }
        _ => Ok(()),
    }
}

/// The answer to a holder whose term has run out or who let it go.
pub(crate) fn lost(key: &LockKey) -> Error {
    Error::new(ErrorKind::Fenced, "the lock is lost")
        .context("lock", &key.name)
        .advice("acquire it again before touching the target")
}
