//! What went wrong in the database, in words that say what to do.

use std::path::Path;

use matrix_architect_core::error::{Error, ErrorKind};

/// An error of the database in the project's words.
pub(super) fn explain(path: &Path, error: &sqlx::Error) -> Error {
    let explained = match error {
        sqlx::Error::Database(cause) => by_code(primary_code(cause.code().as_deref())),
        sqlx::Error::PoolTimedOut => {
            Error::new(ErrorKind::Unavailable, "all connections to the database are busy")
                .advice("try again, or raise `readers`")
        }
        sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => closed(),
        sqlx::Error::Io(_) => by_code(SQLITE_IOERR),
        _ => by_code(0),
    };
    explained.context("database", path.display()).source(error.to_string())
}

/// The answer of a store whose writer is gone.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the database is closed").advice("open it again")
}

/// A stored value that cannot be read back.
pub(super) fn illegible(what: &'static str, source: serde_json::Error) -> Error {
    Error::unexpected("a stored value cannot be read")
        .code("illegible")
        .context("value", what)
        .advice("open the database with the version that wrote it, or restore a backup")
        .source(source)
}

/// Whether the database may be free in a moment.
pub(super) fn is_busy(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(cause) = error else { return false };
    matches!(primary_code(cause.code().as_deref()), SQLITE_BUSY | SQLITE_LOCKED)
}

// https://www.sqlite.org/rescode.html
const SQLITE_PERM: i32 = 3;
const SQLITE_BUSY: i32 = 5;
const SQLITE_LOCKED: i32 = 6;
const SQLITE_READONLY: i32 = 8;
const SQLITE_IOERR: i32 = 10;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_CANTOPEN: i32 = 14;
const SQLITE_TOOBIG: i32 = 18;
const SQLITE_NOTADB: i32 = 26;

/// The low byte of an extended result code.
fn primary_code(code: Option<&str>) -> i32 {
    code.and_then(|code| code.parse::<i32>().ok()).unwrap_or(0) & 0xff
}

fn by_code(code: i32) -> Error {
    match code {
        SQLITE_BUSY | SQLITE_LOCKED => {
            Error::new(ErrorKind::Unavailable, "another process holds the database for too long")
                .code("database_locked")
                .advice("end what holds it, or raise `busy_seconds`")
        }
        SQLITE_FULL => Error::new(ErrorKind::Unavailable, "there is no room for the database")
            .code("disk_full")
            .advice("free space on its disk, or raise `max_megabytes`; nothing was lost"),
        SQLITE_PERM | SQLITE_READONLY => {
            Error::new(ErrorKind::Denied, "the database may not be written")
                .code("read_only")
                .advice("give this user write permission on the file and its folder")
        }
        SQLITE_CANTOPEN => Error::new(ErrorKind::Unavailable, "the database cannot be opened")
            .code("cannot_open")
            .advice("check that its folder exists and that this user may write there"),
        SQLITE_IOERR => Error::new(ErrorKind::Unavailable, "the database's disk fails")
            .code("disk_fails")
            .advice("check the disk and the system log, then open the database again"),
        SQLITE_CORRUPT => Error::unexpected("the database is damaged")
            .code("damaged")
            .advice("keep the file, restore a backup, and see `.recover` of the sqlite3 shell"),
        SQLITE_NOTADB => Error::invalid("the file is no database")
            .code("not_a_database")
            .advice("name another file; this one was not touched"),
        SQLITE_TOOBIG => Error::invalid("the value is larger than the database takes"),
        _ => Error::unexpected("the database refused a statement"),
    }
}
