//! The engine on the memory store: every way a job can go, with workers that die on the way.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "the whole crate is tests")]
#![cfg(feature = "memory")]

#[path = "engine/asking.rs"]
mod asking;
#[path = "engine/bench.rs"]
mod bench;
#[path = "engine/consent.rs"]
mod consent;
#[path = "engine/crash.rs"]
mod crash;
#[path = "engine/failure.rs"]
mod failure;
#[path = "engine/golden.rs"]
mod golden;
#[path = "engine/journey.rs"]
mod journey;
#[path = "engine/moments.rs"]
mod moments;
#[path = "engine/pausing.rs"]
mod pausing;
#[path = "engine/publishing.rs"]
mod publishing;
#[path = "engine/stop.rs"]
mod stop;
#[path = "engine/witness.rs"]
mod witness;

mod backend {
    use std::sync::Arc;

    use matrix_architect_store::{Stores, memory, system::SystemClock};

    pub(crate) type Guard = ();

    pub(crate) fn open() -> std::future::Ready<(Stores, Guard)> {
        std::future::ready((memory::open(Arc::new(SystemClock)), ()))
    }
}
