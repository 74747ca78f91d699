//! The machine's own clock and randomness: the only place in the libraries where either is read.

use jiff::Timestamp as Now;
use matrix_architect_core::{
    time::Timestamp,
    traits::{Clock, Ids},
};
use uuid::Uuid;

/// The machine's wall clock, in microseconds. It may jump when somebody sets it.
///
/// ```
/// use matrix_architect_core::{time::Timestamp, traits::Clock as _};
/// use matrix_architect_store::system::SystemClock;
///
/// let start = "2025-01-01T00:00:00Z".parse::<Timestamp>()?;
/// assert!(SystemClock.now() > start);
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the wall clock is read")]
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(Now::now().as_microsecond())
    }
}

/// Unique numbers from the machine's clock and its random source: UUID version 7,
/// [RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7). Within a process each
/// is greater than the one before, whatever the clock does.
///
/// ```
/// use matrix_architect_core::{id::JobId, traits::Ids as _};
/// use matrix_architect_store::system::SystemIds;
///
/// let first = JobId::from_number(SystemIds.next());
/// let second = JobId::from_number(SystemIds.next());
/// assert!(first < second);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn next(&self) -> u128 {
        Uuid::now_v7().as_u128()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, thread, time::Duration};

    use super::*;

    #[test]
    fn the_clock_moves_on() {
        let before = SystemClock.now();
        thread::sleep(Duration::from_millis(5));
        let passed = SystemClock.now().since(before);
        assert!(passed >= Duration::from_millis(5) && passed < Duration::from_mins(1));
    }

    #[test]
    fn numbers_are_uuids_of_version_7_and_only_grow() {
        let numbers: Vec<u128> = (0..10_000).map(|_| SystemIds.next()).collect();
        assert!(numbers.is_sorted_by(|earlier, later| earlier < later));
        assert!(numbers.iter().all(|number| Uuid::from_u128(*number).get_version_num() == 7));
    }

    #[test]
    fn no_number_is_given_to_two_threads() {
        let draw = || (0..5_000).map(|_| SystemIds.next()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| thread::spawn(draw)).collect();
        let numbers: BTreeSet<u128> =
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(numbers.len(), 20_000);
    }
}
