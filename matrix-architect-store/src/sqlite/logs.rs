//! Output as it comes: chunks as they were appended.

use std::ops::Range;

use async_trait::async_trait;
use bytes::Bytes;
use matrix_architect_core::{
    error::Result,
    id::Digest,
    tenant::JobRef,
    time::Timestamp,
    traits::{Fence, LogId, LogPage, LogStore},
};
use sqlx::{SqliteConnection, query, query_as, query_scalar};

use super::{
    Sqlite,
    value::{count, int},
    writer::{Outcome, Write},
};
use crate::{
    decide::log::{self as decide, Append as Decision},
    remember::LOG_PAGE,
};

/// Index: the unique one on (tenant, job, name).
const GET: &str = "
    select number, fence, length, sealed from log where tenant = ?1 and job = ?2 and name = ?3";

/// Index: the unique one on (tenant, job, name).
const BEGIN: &str = "
    insert into log (tenant, job, name, fence, length) values (?1, ?2, ?3, ?4, 0)
    on conflict (tenant, job, name) do update set fence = excluded.fence
    returning number";

/// Index: the primary key.
const GROW: &str = "update log set length = ?2 where number = ?1";

const ADD: &str = "insert into chunk (log, start, bytes) values (?1, ?2, ?3)";

/// The chunk that `?2` is in and those after it, up to `?3`. Index: the primary key of `chunk`.
const CHUNKS: &str = "
    select start, bytes from chunk
    where log = ?1 and start < ?3
        and start >= (select coalesce(max(start), 0) from chunk where log = ?1 and start <= ?2)
    order by start";

/// Index: the primary key.
const SEAL: &str = "update log set sealed = ?2 where number = ?1";

/// Index: the unique one on (tenant, job, name).
const LIST: &str = "select name from log where tenant = ?1 and job = ?2 order by number";

#[async_trait]
impl LogStore for Sqlite {
    async fn append(&self, log: &LogId, fence: Fence, at: u64, bytes: Bytes) -> Result<u64> {
        let append = Append { log: log.clone(), fence, at, bytes };
        self.writer.write(append).await.map_err(|error| error.operation("logs.append"))
    }

    async fn read(&self, log: &LogId, range: Range<u64>) -> Result<LogPage> {
        let mut connection = self.reader().await?;
        let page = read(&mut connection, log, range).await;
        page.map_err(|error| self.explain(&error).operation("logs.read"))
    }

    async fn list(&self, job: &JobRef) -> Result<Vec<String>> {
        let mut connection = self.reader().await?;
        query_scalar(LIST)
            .bind(job.tenant.as_str())
            .bind(job.id.as_str())
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| self.explain(&error))
    }

    async fn seal(&self, log: &LogId, fence: Fence) -> Result<Digest> {
        let seal = Seal { log: log.clone(), fence };
        self.writer.write(seal).await.map_err(|error| error.operation("logs.seal"))
    }
}

/// What is known of a log.
#[derive(Default)]
struct Header {
    number: i64,
    fence: Fence,
    length: u64,
    sealed: Option<String>,
}

async fn header(
    connection: &mut SqliteConnection,
    log: &LogId,
) -> Result<Option<Header>, sqlx::Error> {
    let found: Option<(i64, i64, i64, Option<String>)> = query_as(GET)
        .bind(log.job.tenant.as_str())
        .bind(log.job.id.as_str())
        .bind(&log.name)
        .fetch_optional(connection)
        .await?;
    Ok(found.map(|(number, fence, length, sealed)| Header {
        number,
        fence: Fence(count(fence)),
        length: count(length),
        sealed,
    }))
}

async fn begin(tx: &mut SqliteConnection, log: &LogId, fence: Fence) -> Result<i64, sqlx::Error> {
    query_scalar(BEGIN)
        .bind(log.job.tenant.as_str())
        .bind(log.job.id.as_str())
        .bind(&log.name)
        .bind(int(fence.0))
        .fetch_one(tx)
        .await
}

/// The bytes of a range that lies within the log.
async fn bytes(
    connection: &mut SqliteConnection,
    number: i64,
    range: Range<u64>,
) -> Result<Vec<u8>, sqlx::Error> {
    if range.is_empty() {
        return Ok(Vec::new());
    }
    let chunks: Vec<(i64, Vec<u8>)> = query_as(CHUNKS)
        .bind(number)
        .bind(int(range.start))
        .bind(int(range.end))
        .fetch_all(connection)
        .await?;
    let mut all = Vec::new();
    for (start, chunk) in chunks {
        let place = |at: u64| {
            let offset = usize::try_from(at.saturating_sub(count(start))).unwrap_or(usize::MAX);
            offset.min(chunk.len())
        };
        all.extend_from_slice(&chunk[place(range.start)..place(range.end)]);
    }
    Ok(all)
}

async fn read(
    connection: &mut SqliteConnection,
    log: &LogId,
    range: Range<u64>,
) -> Result<LogPage, sqlx::Error> {
    let Some(header) = header(&mut *connection, log).await? else {
        return Ok(LogPage::new(0, Bytes::new(), 0, false));
    };
    let start = range.start.min(header.length);
    let end = range.end.min(header.length).min(start + LOG_PAGE);
    let bytes = bytes(connection, header.number, start..end).await?;
    Ok(LogPage::new(start, bytes.into(), header.length, header.sealed.is_some()))
}

struct Append {
    log: LogId,
    fence: Fence,
    at: u64,
    bytes: Bytes,
}

#[async_trait]
impl Write for Append {
    type Answer = u64;

    async fn write(&self, tx: &mut SqliteConnection, _: Timestamp) -> Outcome<u64> {
        let header = header(&mut *tx, &self.log).await?.unwrap_or_default();
        let len = self.bytes.len() as u64;
        let fences = (header.fence, self.fence);
        let sealed = header.sealed.is_some();
        match decide::append(&self.log, fences, (self.at, len), header.length, sealed)? {
            Decision::Add => {}
            Decision::Compare(range) => {
                let known = bytes(tx, header.number, range.clone()).await?;
                return Ok(decide::repeated(&self.log, known == self.bytes, range.end)?);
            }
        }
        let number = begin(&mut *tx, &self.log, self.fence).await?;
        let end = header.length + len;
        if len > 0 {
            let start = int(header.length);
            query(ADD).bind(number).bind(start).bind(&*self.bytes).execute(&mut *tx).await?;
            query(GROW).bind(number).bind(int(end)).execute(&mut *tx).await?;
        }
        Ok(end)
    }
}

struct Seal {
    log: LogId,
    fence: Fence,
}

#[async_trait]
impl Write for Seal {
    type Answer = Digest;

    async fn write(&self, tx: &mut SqliteConnection, _: Timestamp) -> Outcome<Digest> {
        let header = header(&mut *tx, &self.log).await?.unwrap_or_default();
        decide::fence(&self.log, header.fence, self.fence)?;
        if let Some(digest) = header.sealed {
            return Ok(digest.parse()?);
        }
        let number = begin(&mut *tx, &self.log, self.fence).await?;
        let mut hasher = Digest::hasher();
        let mut start = 0;
        while start < header.length {
            let end = header.length.min(start + LOG_PAGE);
            hasher.update(bytes(&mut *tx, number, start..end).await?);
            start = end;
        }
        let digest = hasher.finish();
        query(SEAL).bind(number).bind(digest.to_string()).execute(tx).await?;
        Ok(digest)
    }
}
