//! What can go wrong with a file is one clear error, and never a panic.

use std::path::Path;

use matrix_architect_core::{
    error::{Error, ErrorKind},
    id::TenantId,
    traits::{JobQuery, Store as _},
};
use matrix_architect_store::sqlite::Config;
use sqlx::{Connection as _, SqliteConnection, raw_sql, sqlite::SqliteConnectOptions};

use crate::{new_job, open, open_with};

async fn raw(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

async fn refused(path: &Path, kind: ErrorKind, code: &str) -> Error {
    let error = open(path).await.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (kind, code), "{error:?}");
    assert!(error.advice_str().is_some(), "it says what to do: {error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "it names the file: {error}");
    error
}

#[tokio::test]
async fn the_database_of_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    open(&path).await.unwrap().create(vec![new_job(1)]).await.unwrap();
    let mut connection = raw(&path).await;
    raw_sql("pragma user_version = 99").execute(&mut connection).await.unwrap();
    refused(&path, ErrorKind::Unsupported, "newer_schema").await;
    let jobs: i64 =
        sqlx::query_scalar("select count(*) from job").fetch_one(&mut connection).await.unwrap();
    assert_eq!(jobs, 1);
}

#[tokio::test]
async fn the_database_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.db");
    let mut connection = raw(&path).await;
    raw_sql("create table thing (name text)").execute(&mut connection).await.unwrap();
    refused(&path, ErrorKind::Invalid, "foreign_database").await;
    let tables: i64 = sqlx::query_scalar("select count(*) from sqlite_schema")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let text = "these are my notes\n".repeat(1000);
    std::fs::write(&path, &text).unwrap();
    refused(&path, ErrorKind::Invalid, "not_a_database").await;
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    refused(&folder.path().join("gone/architect.db"), ErrorKind::Unavailable, "cannot_open").await;
    refused(folder.path(), ErrorKind::Unavailable, "cannot_open").await;
}

#[tokio::test]
async fn a_damaged_database_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    let store = open(&path).await.unwrap();
    for batch in 0..20 {
        let jobs = (0..100).map(|place| new_job(batch * 100 + place)).collect();
        store.create(jobs).await.unwrap();
    }
    drop(store);
    let mut connection = raw(&path).await;
    raw_sql("pragma wal_checkpoint(truncate)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    for byte in bytes.iter_mut().skip(8192).take(middle) {
        *byte ^= 0x5a;
    }
    std::fs::write(&path, bytes).unwrap();
    let error = match open(&path).await {
        Err(error) => error,
        Ok(store) => {
            let mut query = JobQuery::default();
            query.limit = 1000;
            store.list(&TenantId::default(), &query).await.unwrap_err()
        }
    };
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unexpected, "damaged"), "{error:?}");
}

#[tokio::test]
async fn a_database_that_another_holds_for_too_long_is_unavailable_and_then_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    let config = Config { busy_seconds: 1, ..Config::at(&path) };
    let store = open_with(&config).await.unwrap();
    store.create(vec![new_job(1)]).await.unwrap();
    let mut other = raw(&path).await;
    raw_sql("begin immediate").execute(&mut other).await.unwrap();
    let many = futures_util::future::join_all((2..10).map(|n| store.create(vec![new_job(n)])));
    for answer in many.await {
        let error = answer.unwrap_err();
        assert_eq!(error.code_str(), "database_locked", "{error:?}");
        assert!(error.is_retryable());
    }
    store.load(&new_job(1).job).await.unwrap();
    let error = open_with(&config).await.unwrap_err();
    assert_eq!(error.code_str(), "database_locked", "{error:?}");
    raw_sql("rollback").execute(&mut other).await.unwrap();
    store.create(vec![new_job(2)]).await.unwrap();
}

#[tokio::test]
async fn an_event_cannot_be_rewritten_even_by_hand() {
    use matrix_architect_core::conformance::sample::{cancelled, commit};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    let store = open(&path).await.unwrap();
    let record = store.create(vec![new_job(1)]).await.unwrap().remove(0);
    let write = commit(&record, 1, None, vec![cancelled()], crate::now()).unwrap();
    store.commit(&record.job.reference(), write).await.unwrap();
    let mut other = raw(&path).await;
    for statement in ["update event set envelope = '{}'", "delete from event"] {
        let refused = raw_sql(statement).execute(&mut other).await;
        assert!(refused.unwrap_err().to_string().contains("never"), "{statement}");
    }
    assert_eq!(store.history(&record.job.reference(), 0, 9).await.unwrap().len(), 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    let store = open(&path).await.unwrap();
    store.create(vec![new_job(1)]).await.unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
}

#[test]
fn a_config_that_makes_no_sense_is_refused_with_its_field() {
    let config = Config { busy_seconds: 601, ..Config::default() };
    assert_eq!(config.validate().unwrap_err().context_value("field"), Some("busy_seconds"));
    assert_eq!(Config::at("/").validate().unwrap_err().context_value("field"), Some("path"));
    let error = serde_json::from_str::<Config>(r#"{ "pth": "x" }"#).unwrap_err();
    assert!(error.to_string().contains("pth"), "{error}");
    Config::default().validate().unwrap();
}
