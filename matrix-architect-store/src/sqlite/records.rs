//! Small things with a name.

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    id::TenantId,
    pipeline::Version,
    time::Timestamp,
    traits::{Record, RecordKey, Records},
};
use serde_json::Value;
use sqlx::{SqliteConnection, query, query_as};

use super::{
    Sqlite,
    value::{count, from_json, int, json},
    writer::{Outcome, Write},
};
use crate::decide::record as decide;

/// Index: the primary key.
const GET: &str = "select value, version from record where tenant = ?1 and kind = ?2 and key = ?3";

/// Index: the primary key.
const PUT: &str = "
    insert into record (tenant, kind, key, value, version) values (?1, ?2, ?3, ?4, ?5)
    on conflict (tenant, kind, key)
    do update set value = excluded.value, version = excluded.version";

/// Index: the primary key.
const LIST: &str = "
    select key, value, version from record
    where tenant = ?1 and kind = ?2 and key > coalesce(?3, '') and value is not null
    order by key
    limit ?4";

#[async_trait]
impl Records for Sqlite {
    async fn get(&self, key: &RecordKey) -> Result<Option<Record>> {
        let mut connection = self.reader().await?;
        let slot = slot(&mut connection, key).await.map_err(|error| self.explain(&error))?;
        let Some((Some(text), version)) = slot else { return Ok(None) };
        record(key.key.clone(), &text, version).map(Some)
    }

    async fn put(
        &self,
        key: &RecordKey,
        value: &Value,
        expected: Option<Version>,
    ) -> Result<Version> {
        self.writer.write(Put { key: key.clone(), value: json(value)?, expected }).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>> {
        let mut connection = self.reader().await?;
        let found: Vec<(String, String, i64)> = query_as(LIST)
            .bind(tenant.as_str())
            .bind(kind)
            .bind(after)
            .bind(int(limit))
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| self.explain(&error))?;
        found.into_iter().map(|(key, text, version)| record(key, &text, version)).collect()
    }

    async fn delete(&self, key: &RecordKey, expected: Version) -> Result<()> {
        self.writer.write(Delete { key: key.clone(), expected }).await
    }
}

/// A record's value, none if it was deleted, and its last version.
type Slot = (Option<String>, i64);

async fn slot(
    connection: &mut SqliteConnection,
    key: &RecordKey,
) -> Result<Option<Slot>, sqlx::Error> {
    query_as(GET)
        .bind(key.tenant.as_str())
        .bind(&key.kind)
        .bind(&key.key)
        .fetch_optional(connection)
        .await
}

fn record(key: String, text: &str, version: i64) -> Result<Record> {
    Ok(Record { key, value: from_json("a record", text)?, version: Version(count(version)) })
}

fn current(slot: Option<&Slot>) -> Option<Version> {
    let (_, version) = slot.filter(|(value, _)| value.is_some())?;
    Some(Version(count(*version)))
}

async fn set(
    tx: &mut SqliteConnection,
    key: &RecordKey,
    value: Option<&str>,
    version: i64,
) -> Outcome<()> {
    query(PUT)
        .bind(key.tenant.as_str())
        .bind(&key.kind)
        .bind(&key.key)
        .bind(value)
        .bind(version)
        .execute(tx)
        .await?;
    Ok(())
}

struct Put {
    key: RecordKey,
    value: String,
    expected: Option<Version>,
}

#[async_trait]
impl Write for Put {
    type Answer = Version;

    async fn write(&self, tx: &mut SqliteConnection, _: Timestamp) -> Outcome<Version> {
        let slot = slot(&mut *tx, &self.key).await?;
        decide::put(&self.key, current(slot.as_ref()), self.expected)?;
        let version = slot.map_or(0, |(_, version)| version) + 1;
        set(tx, &self.key, Some(&self.value), version).await?;
        Ok(Version(count(version)))
    }
}

struct Delete {
    key: RecordKey,
    expected: Version,
}

#[async_trait]
impl Write for Delete {
    type Answer = ();

    async fn write(&self, tx: &mut SqliteConnection, _: Timestamp) -> Outcome<()> {
        let slot = slot(&mut *tx, &self.key).await?;
        decide::delete(&self.key, current(slot.as_ref()), self.expected)?;
        set(tx, &self.key, None, int(self.expected.0)).await
    }
}
