//! The SQLite backend on a file of its own, whose clock stands still until it is moved.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    conformance::{self, Serves},
    fake::FixedClock,
    time::Timestamp,
    traits::{Clock as _, Locks, LogStore, Operator, Queue, Records, Store},
};
use matrix_architect_store::sqlite::{Config, Sqlite};
use tempfile::TempDir;

#[derive(Debug)]
pub(crate) struct Harness {
    folder: TempDir,
    clock: Arc<FixedClock>,
    database: Arc<Sqlite>,
}

impl Harness {
    pub(crate) async fn fresh() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(FixedClock::new());
        let database = open(&folder, &clock).await;
        Self { folder, clock, database }
    }
}

async fn open(folder: &TempDir, clock: &Arc<FixedClock>) -> Arc<Sqlite> {
    let config = Config::at(folder.path().join("architect.db"));
    Arc::new(Sqlite::open(&config, Arc::<FixedClock>::clone(clock)).await.unwrap())
}

#[async_trait]
impl conformance::Harness for Harness {
    async fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn elapse(&mut self, duration: Duration) {
        self.clock.advance(duration);
    }

    async fn reopen(&mut self) {
        self.database = open(&self.folder, &self.clock).await;
    }
}

macro_rules! serves {
    ($($trait:ident),*) => {
        $(impl Serves<dyn $trait> for Harness {
            fn backend(&self) -> Arc<dyn $trait> {
                Arc::<Sqlite>::clone(&self.database)
            }
        })*
    };
}

serves!(Store, Queue, LogStore, Records, Locks, Operator);
