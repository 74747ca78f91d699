//! Which tables there are, and how an older file gets them.

use matrix_architect_core::error::{Error, ErrorKind};
use sqlx::{Connection as _, SqliteConnection, query, query_scalar, raw_sql};

/// The migrations in order. The file says in its header how many it has; none is ever changed once
/// released.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/sqlite/0001_begin.sql")];

/// The mark of our files: `MxAr` in ASCII, in SQLite's own place for it.
const APPLICATION: i32 = 0x4d78_4172;

/// Why a file is not ours to open.
pub(super) enum Misfit {
    /// The database failed.
    Fault(sqlx::Error),
    /// It holds something else, or something newer.
    Foreign(Error),
}

impl From<sqlx::Error> for Misfit {
    fn from(error: sqlx::Error) -> Self {
        Self::Fault(error)
    }
}

/// Brings the file up to date in one transaction: whoever opens it at the same time waits.
pub(super) async fn migrate(connection: &mut SqliteConnection) -> Result<(), Misfit> {
    let mut tx = connection.begin_with("begin immediate").await?;
    let application: i32 = query_scalar("pragma application_id").fetch_one(&mut *tx).await?;
    let version: i64 = query_scalar("pragma user_version").fetch_one(&mut *tx).await?;
    let tables: i64 =
        query_scalar("select count(*) from sqlite_schema").fetch_one(&mut *tx).await?;
    if application != APPLICATION && (application != 0 || tables > 0) {
        return Err(Misfit::Foreign(foreign()));
    }
    let done = usize::try_from(version).unwrap_or(usize::MAX);
    if done > MIGRATIONS.len() {
        return Err(Misfit::Foreign(newer(version)));
    }
    for migration in &MIGRATIONS[done..] {
        raw_sql(*migration).execute(&mut *tx).await?;
    }
    // Written every time, so that a file that takes no writes is found out now.
    query(MARK).execute(&mut *tx).await?;
    query(VERSION).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(())
}

/// Pragmas take no parameters; a test compares these with the constants.
const MARK: &str = "pragma application_id = 1299726706";
const VERSION: &str = "pragma user_version = 1";

fn foreign() -> Error {
    Error::invalid("the file is the database of another program")
        .code("foreign_database")
        .advice("name another file; this one was not touched")
}

fn newer(version: i64) -> Error {
    Error::new(ErrorKind::Unsupported, "the database was written by a newer version")
        .code("newer_schema")
        .context("schema", version)
        .context("known", MIGRATIONS.len())
        .advice("upgrade this program; the file was not touched")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pragmas_say_what_the_constants_say() {
        assert_eq!(MARK, format!("pragma application_id = {APPLICATION}"));
        assert_eq!(VERSION, format!("pragma user_version = {}", MIGRATIONS.len()));
    }
}
