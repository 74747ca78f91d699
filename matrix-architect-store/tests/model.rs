//! The backends beside a model that is too simple to be wrong, on histories nobody thought of.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(all(feature = "memory", feature = "sqlite"))]

mod common;

mod model {
    pub(super) mod queue;
    pub(super) mod ring;
    pub(super) mod walk;
}
