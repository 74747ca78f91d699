//! What a suite asks of whoever runs it.

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::time::Timestamp;

/// One fresh backend for one case, and what the case may do to the world around it.
///
/// A backend that reads no clock may ignore [`Harness::elapse`]; one that keeps nothing beyond
/// the process may ignore [`Harness::reopen`].
#[async_trait]
pub trait Harness: Debug + Send + Sync {
    /// The moment it is by the backend's clock.
    async fn now(&self) -> Timestamp;

    /// Moves the backend's clock on.
    async fn elapse(&mut self, duration: Duration);

    /// Closes the backend and opens it again on what it kept. Handles taken before are stale.
    async fn reopen(&mut self);
}

/// A harness around a backend of one trait. One harness may serve several.
pub trait Serves<T: ?Sized>: Harness {
    /// The backend as it is now: to be taken again after [`Harness::reopen`].
    fn backend(&self) -> Arc<T>;
}
