//! One file, one writer, write-ahead logging: the embedded default.
//!
//! Every write is on the disk before its call returns (`synchronous = full`); writes that wait
//! together share one flush. Several processes may open the same file: they take turns at writing
//! and see each other's jobs within a tenth of a second. The file must be on a local disk, not on
//! a network file system ([why](https://www.sqlite.org/wal.html)).

mod claim;
mod commit;
mod config;
mod create;
mod fault;
mod locks;
mod logs;
mod open;
mod pick;
mod queue;
mod records;
mod row;
mod schema;
mod store;
mod value;
mod writer;

use std::{path::Path, sync::Arc};

use matrix_architect_core::{
    error::{Error, Result},
    traits::{ArtifactStore, Clock},
};
use sqlx::{Sqlite as Driver, SqlitePool, pool::PoolConnection};
use tokio::sync::Notify;

pub use config::Config;

use self::writer::Writer;
use crate::stores::Stores;

/// Jobs, queue, logs, records and locks in one file. All clones of an `Arc` of it are one
/// database.
#[derive(Debug)]
pub struct Sqlite {
    path: Arc<Path>,
    clock: Arc<dyn Clock>,
    writer: Writer,
    readers: SqlitePool,
    changed: Notify,
}

/// Opens the database at `path`, creating it for this user alone if it is not there, beside artifacts that are kept
/// elsewhere. All time is `clock`'s.
///
/// # Errors
/// As [`Sqlite::open`].
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use std::sync::Arc;
/// use matrix_architect_store::{memory::MemoryArtifacts, sqlite, system::SystemClock};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("architect.db");
/// let artifacts = Arc::new(MemoryArtifacts::new());
/// let stores = sqlite::open(&path, Arc::new(SystemClock), artifacts).await?;
/// assert!(stores.operator.census().await?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn open(
    path: impl AsRef<Path>,
    clock: Arc<dyn Clock>,
    artifacts: Arc<dyn ArtifactStore>,
) -> Result<Stores> {
    let database = Sqlite::open(&Config::at(path.as_ref()), clock).await?;
    Ok(Stores::new(Arc::new(database), artifacts))
}

impl Sqlite {
    async fn reader(&self) -> Result<PoolConnection<Driver>> {
        self.readers.acquire().await.map_err(|error| self.explain(&error))
    }

    fn explain(&self, error: &sqlx::Error) -> Error {
        fault::explain(&self.path, error)
    }
}
