//! The SQLite backend, from outside: killed writers, several processes, and what can go wrong.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![cfg(feature = "sqlite")]

mod sqlite {
    pub(super) mod crash;
    pub(super) mod faults;
    pub(super) mod limits;
    pub(super) mod processes;
    pub(super) mod readonly;
    pub(super) mod together;
}

use std::{
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
};

use matrix_architect_core::{
    conformance::sample, error::Result, id::TenantId, job::NewJob, time::Timestamp,
    traits::Clock as _,
};
use matrix_architect_store::{
    sqlite::{Config, Sqlite},
    system::SystemClock,
};

async fn open(path: &Path) -> Result<Sqlite> {
    open_with(&Config::at(path)).await
}

async fn open_with(config: &Config) -> Result<Sqlite> {
    Sqlite::open(config, Arc::new(SystemClock)).await
}

fn now() -> Timestamp {
    SystemClock.now()
}

fn new_job(number: u128) -> NewJob {
    sample::new_job(&TenantId::default(), number, now())
}

/// This test binary once more, as another process that runs one ignored test on a database.
fn child(test: &str, database: &Path, argument: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env("STORE_DATABASE", database)
        .env("STORE_ARGUMENT", argument)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// In a child: where the database is, and the argument. None if nobody started it as a child.
fn told() -> Option<(std::path::PathBuf, String)> {
    #[expect(clippy::disallowed_methods, reason = "the parent test says where and what")]
    let var = |name| std::env::var(name).ok();
    Some((var("STORE_DATABASE")?.into(), var("STORE_ARGUMENT")?))
}
