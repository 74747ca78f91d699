//! Deciding whether a change may go on by itself.

use std::fmt::Debug;

use crate::policy::{PolicyInfo, PolicyInput, Verdict};

/// Decides whether a change may go on by itself. Synchronous and pure.
///
/// # Contract
/// 1. The same input gives the same verdict.
/// 2. Every point of the risk score is explained by a signal.
/// 3. Evidence that did not pass and is required never leads to `Allow`.
pub trait Policy: Debug + Send + Sync + 'static {
    /// Which policy this is, with a digest over its rules.
    fn info(&self) -> PolicyInfo;

    /// Decides.
    fn judge(&self, input: &PolicyInput<'_>) -> Verdict;
}
