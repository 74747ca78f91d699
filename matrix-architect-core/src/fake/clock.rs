//! Clocks that stand still until they are told.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use crate::{time::Timestamp, traits::Clock};

/// 2025-01-01T00:00:00Z, where the fakes' time begins.
const BEGINNING: i64 = 1_735_689_600_000_000;

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock at 2025-01-01T00:00:00Z.
    pub const fn new() -> Self {
        Self(AtomicI64::new(BEGINNING))
    }

    /// A clock at that moment.
    pub const fn at(moment: Timestamp) -> Self {
        Self(AtomicI64::new(moment.as_micros()))
    }

    /// Sets it, also backwards.
    pub fn set(&self, moment: Timestamp) {
        self.0.store(moment.as_micros(), Ordering::SeqCst);
    }

    /// Moves it forward.
    pub fn advance(&self, duration: Duration) {
        self.set(self.now() + duration);
    }
}

impl Default for FixedClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// A clock that moves on by one step each time it is read, so that no two readings are equal.
#[derive(Debug)]
pub struct StepClock {
    next: AtomicI64,
    step: i64,
}

impl StepClock {
    /// A clock that is at 2025-01-01T00:00:00Z when it is first read.
    pub fn new(step: Duration) -> Self {
        Self::starting(Timestamp::from_micros(BEGINNING), step)
    }

    /// A clock that is at `start` when it is first read.
    pub fn starting(start: Timestamp, step: Duration) -> Self {
        let step = i64::try_from(step.as_micros()).unwrap_or(i64::MAX);
        Self { next: AtomicI64::new(start.as_micros()), step }
    }
}

impl Clock for StepClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.next.fetch_add(self.step, Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_clock_never_reads_the_same_twice() {
        let clock = StepClock::new(Duration::from_millis(1));
        let (first, second) = (clock.now(), clock.now());
        assert_eq!(second.since(first), Duration::from_millis(1));
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told() {
        let clock = FixedClock::new();
        let before = clock.now();
        assert_eq!(clock.now(), before);
        clock.advance(Duration::from_secs(5));
        assert_eq!(clock.now().since(before), Duration::from_secs(5));
    }
}
