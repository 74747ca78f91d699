//! File work on threads that may block.

use matrix_architect_core::error::{Error, ErrorKind, Result};

/// Runs file work where it may block. It is done also when the caller goes away meanwhile.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        // Only a runtime that shuts down ends blocking work, and a panic is a bug of ours.
        Err(lost) if lost.is_cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, "the runtime is shutting down"))
        }
        Err(lost) => Err(Error::unexpected("a file task panicked").source(lost)),
    }
}
