//! One at a time, per target.

use std::time::Duration;

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    id::WorkerId,
    time::Timestamp,
    traits::{Fence, LockKey, Locks},
};
use sqlx::{SqliteConnection, query, query_as};

use super::{
    Sqlite,
    value::{count, int, name},
    writer::{Outcome, Write},
};
use crate::decide::lock as decide;

/// Index: the primary key.
const GET: &str = "select fence, holder, held_until from lock where tenant = ?1 and name = ?2";

/// Index: the primary key.
const TAKE: &str = "
    insert into lock (tenant, name, fence, holder, held_until) values (?1, ?2, ?3, ?4, ?5)
    on conflict (tenant, name)
    do update set fence = excluded.fence, holder = excluded.holder,
        held_until = excluded.held_until";

/// Index: the primary key.
const RENEW: &str = "
    update lock set held_until = ?4
    where tenant = ?1 and name = ?2 and fence = ?3 and holder is not null and held_until > ?5";

/// Index: the primary key.
const RELEASE: &str =
    "update lock set holder = null where tenant = ?1 and name = ?2 and fence = ?3";

#[async_trait]
impl Locks for Sqlite {
    async fn acquire(&self, key: &LockKey, holder: &WorkerId, term: Duration) -> Result<Fence> {
        let acquire = Acquire { key: key.clone(), holder: holder.clone(), term };
        self.writer.write(acquire).await.map_err(|error| error.operation("locks.acquire"))
    }

    async fn renew(&self, key: &LockKey, fence: Fence, term: Duration) -> Result<()> {
        let renew = Renew { key: key.clone(), fence, term };
        self.writer.write(renew).await.map_err(|error| error.operation("locks.renew"))
    }

    async fn release(&self, key: &LockKey, fence: Fence) -> Result<()> {
        let release = Release { key: key.clone(), fence };
        self.writer.write(release).await.map_err(|error| error.operation("locks.release"))
    }
}

struct Acquire {
    key: LockKey,
    holder: WorkerId,
    term: Duration,
}

#[async_trait]
impl Write for Acquire {
    type Answer = Fence;

    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<Fence> {
        let Self { key, holder, term } = self;
        let found: Option<(i64, Option<String>, i64)> = query_as(GET)
            .bind(key.tenant.as_str())
            .bind(&key.name)
            .fetch_optional(&mut *tx)
            .await?;
        let (last, other, until) = found.unwrap_or_default();
        let other = other.map(name::<WorkerId>).transpose()?;
        let held = other.map(|other| (other, Timestamp::from_micros(until)));
        decide::acquire(key, held.as_ref(), holder, now)?;
        query(TAKE)
            .bind(key.tenant.as_str())
            .bind(&key.name)
            .bind(last + 1)
            .bind(holder.as_str())
            .bind((now + *term).as_micros())
            .execute(tx)
            .await?;
        Ok(Fence(count(last + 1)))
    }
}

struct Renew {
    key: LockKey,
    fence: Fence,
    term: Duration,
}

#[async_trait]
impl Write for Renew {
    type Answer = ();

    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<()> {
        let renewed = query(RENEW)
            .bind(self.key.tenant.as_str())
            .bind(&self.key.name)
            .bind(int(self.fence.0))
            .bind((now + self.term).as_micros())
            .bind(now.as_micros())
            .execute(tx)
            .await?;
        if renewed.rows_affected() == 0 { Err(decide::lost(&self.key).into()) } else { Ok(()) }
    }
}

struct Release {
    key: LockKey,
    fence: Fence,
}

#[async_trait]
impl Write for Release {
    type Answer = ();

    async fn write(&self, tx: &mut SqliteConnection, _: Timestamp) -> Outcome<()> {
        query(RELEASE)
            .bind(self.key.tenant.as_str())
            .bind(&self.key.name)
            .bind(int(self.fence.0))
            .execute(tx)
            .await?;
        Ok(())
    }
}
