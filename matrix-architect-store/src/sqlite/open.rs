//! Opening a database.

use std::{path::Path, sync::Arc, time::Duration};

use matrix_architect_core::{error::Result, traits::Clock};
use sqlx::{
    ConnectOptions as _, SqliteConnection,
    pool::PoolOptions,
    query_scalar,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::{
    fs::OpenOptions,
    sync::Notify,
    time::{Instant, sleep},
};

use super::{
    Config, Sqlite,
    fault::{explain, is_busy},
    schema::{self, Misfit},
    writer::Writer,
};

/// Between two tries to open a file that somebody else is creating.
const PAUSE: Duration = Duration::from_millis(20);

/// Memory for pages of the connection that writes, in units of 1024 bytes if negative. A transaction
/// whose pages do not fit writes some of them twice.
const CACHE: &str = "-32768";

/// Pages of the log, 4 KiB each, after which the writer copies them into the file. A page that was
/// written more than once is copied once.
const CHECKPOINT: &str = "4096";

impl Sqlite {
    /// Opens a database, creating it or bringing it up to date if need be. All time is `clock`'s.
    ///
    /// It must be called within a Tokio runtime, on which its writer then runs.
    ///
    /// # Errors
    /// `Invalid` for a file that holds something else; `Unsupported`, with code `newer_schema`, for
    /// one that a newer version wrote; `Denied` for one that may not be written; `Unavailable` if
    /// there is no room, no folder, or another process holds it for too long; `Unexpected` if it
    /// is damaged.
    pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Self> {
        config.validate()?;
        let path: Arc<Path> = config.path.as_path().into();
        let options = options(config);
        let connection = patiently(config, &options).await.map_err(|misfit| match misfit {
            Misfit::Fault(error) => explain(&path, &error).operation("sqlite.open"),
            Misfit::Foreign(error) => {
                error.context("database", path.display()).operation("sqlite.open")
            }
        })?;
        let readers = PoolOptions::new()
            .max_connections(config.readers.get())
            .acquire_timeout(config.busy() + PAUSE)
            .test_before_acquire(false)
            .connect_lazy_with(options.read_only(true));
        let writer = Writer::start(connection, Arc::clone(&path), Arc::clone(&clock));
        Ok(Self { path, clock, writer, readers, changed: Notify::new() })
    }
}

fn options(config: &Config) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(&config.path)
        .create_if_missing(true)
        .busy_timeout(config.busy())
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .disable_statement_logging()
}

/// Connects and migrates. Whoever creates the file holds it in ways that SQLite's own waiting does
/// not cover, so this waits too.
async fn patiently(
    config: &Config,
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, Misfit> {
    let end = Instant::now() + config.busy();
    loop {
        match connect(config, options).await {
            Err(Misfit::Fault(error)) if is_busy(&error) && Instant::now() < end => {
                sleep(PAUSE).await;
            }
            settled => return settled,
        }
    }
}

async fn connect(
    config: &Config,
    options: &SqliteConnectOptions,
) -> Result<SqliteConnection, Misfit> {
    create_privately(&config.path).await;
    let writing = options
        .clone()
        .pragma("cache_size", CACHE)
        .pragma("temp_store", "memory")
        .pragma("wal_autocheckpoint", CHECKPOINT);
    let mut connection = writing.connect().await?;
    schema::migrate(&mut connection).await?;
    if let Some(megabytes) = config.max_megabytes {
        let page: i64 = query_scalar("pragma page_size").fetch_one(&mut connection).await?;
        let pages = (i64::from(megabytes.get()) << 20) / page;
        // A pragma takes no parameters; this one is a number we made.
        let statement = sqlx::AssertSqlSafe(format!("pragma max_page_count = {pages}"));
        sqlx::query(statement).execute(&mut connection).await?;
    }
    Ok(connection)
}

/// What is remembered is nobody else's to read, and SQLite would ask the umask. If the file cannot
/// be created, opening it says why.
async fn create_privately(path: &Path) {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    options.mode(0o600);
    let _ = options.open(path).await;
}
