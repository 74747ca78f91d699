//! The engine on SQLite and the file system: every way a job can go, with workers that die on the
//! way.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "the whole crate is tests")]
#![cfg(all(feature = "sqlite", feature = "files"))]

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

    use matrix_architect_store::{Stores, files::FileArtifacts, sqlite, system::SystemClock};
    use tempfile::TempDir;

    pub(crate) type Guard = TempDir;

    pub(crate) async fn open() -> (Stores, Guard) {
        let directory = TempDir::new().unwrap();
        let artifacts = FileArtifacts::open(directory.path().join("artifacts")).await.unwrap();
        let path = directory.path().join("jobs.db");
        let stores = sqlite::open(path, Arc::new(SystemClock), Arc::new(artifacts)).await.unwrap();
        (stores, directory)
    }
}
