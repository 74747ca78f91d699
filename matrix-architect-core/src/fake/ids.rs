//! Ids that can be foretold.

use std::sync::Mutex;

use super::locked;
use crate::traits::Ids;

/// Counts: 1, 2, 3 and so on, so that a test can name the ids before they are made.
///
/// ```
/// use matrix_architect_core::{fake::CountingIds, id::JobId, traits::Ids};
///
/// let ids = CountingIds::new();
/// assert_eq!(JobId::from_number(ids.next()), JobId::from_number(1));
/// ```
#[derive(Debug, Default)]
pub struct CountingIds(Mutex<u128>);

impl CountingIds {
    /// Starts at 1.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts after `last`, for a second process of the same test.
    pub fn after(last: u128) -> Self {
        Self(Mutex::new(last))
    }
}

impl Ids for CountingIds {
    fn next(&self) -> u128 {
        let mut last = locked(&self.0);
        *last += 1;
        *last
    }
}
