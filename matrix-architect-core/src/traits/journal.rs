//! Remembering, before it is done, what cannot be done twice.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{error::Result, id::Digest};

/// Remembers, before it is done, what cannot be done twice. Each entry is a fenced event of the
/// job, so a worker that lost its lease can intend nothing more.
///
/// # Contract
/// 1. A step that is done stays done: [`Journal::intend`] then returns its digest and the caller
///    does not do it again.
/// 2. After a lost lease every call is `Fenced`.
#[async_trait]
pub trait Journal: Debug + Send + Sync {
    /// Says that `step` is about to be done. Returns what came of it if it was done already.
    async fn intend(&self, step: &str) -> Result<Option<Digest>>;

    /// Says that `step` is done and what came of it.
    async fn done(&self, step: &str, digest: Digest) -> Result<()>;
}
