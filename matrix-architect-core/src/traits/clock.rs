//! Time and randomness come in as arguments.

use std::fmt::Debug;

use crate::time::Timestamp;

/// The wall clock.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The moment it is.
    fn now(&self) -> Timestamp;
}

/// A source of unique numbers for ids, ordered by time where possible (UUID version 7,
/// [RFC 9562](https://www.rfc-editor.org/rfc/rfc9562)).
pub trait Ids: Debug + Send + Sync + 'static {
    /// A number nobody got before.
    fn next(&self) -> u128;
}
