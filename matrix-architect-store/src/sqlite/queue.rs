//! Which job next, and who holds it.

use std::{pin::pin, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    id::TenantId,
    tenant::JobRef,
    time::Timestamp,
    traits::{Candidate, Fence, Lease, LeaseRequest, Queue, QueueStats, Renewal},
};
use sqlx::{SqliteConnection, query, query_as, query_scalar};
use tokio::time::timeout_at;

use super::{
    Sqlite,
    claim::Next,
    pick::ring,
    row::Row,
    value::{count, int},
    writer::{Outcome, Write},
};
use crate::{decide::job as decide, wait::Looks};

/// Jobs under a lease, ready at each priority, and open at all; and whether leasing is paused.
/// Indexes: `job_leased`, `job_ready`, `job_status`.
const STATS: &str = "
    select
        (select count(*) from job
            where lease_until > ?2 and tenant = coalesce(?1, tenant)),
        (select count(*) from job
            where ready_at <= ?2 and priority = 0 and tenant = coalesce(?1, tenant)),
        (select count(*) from job
            where ready_at <= ?2 and priority = 1 and tenant = coalesce(?1, tenant)),
        (select count(*) from job
            where ready_at <= ?2 and priority = 2 and tenant = coalesce(?1, tenant)),
        (select count(*) from job
            where status not in ('succeeded', 'failed', 'aborted')
                and tenant = coalesce(?1, tenant)),
        (select count(*) from pause where tenant in ('', coalesce(?1, '')))";

/// A parked job stays parked, for the later of nothing and a moment is nothing. Index: the unique
/// one on (tenant, id).
const RENEW: &str = "
    update job set lease_until = ?4, ready_at = max(run_at, ?4)
    where tenant = ?1 and id = ?2 and fence = ?3 and worker is not null
    returning state ->> '$.cancelling'";

/// Index: the primary key.
const RELEASE: &str = "
    update job set worker = null, lease_until = null, ready_at = run_at
    where number = ?1 and fence = ?2";

const PAUSE: &str = "insert into pause (tenant) values (?1) on conflict do nothing";

/// Index: the primary key.
const RESUME: &str = "delete from pause where tenant = ?1";

#[async_trait]
impl Queue for Sqlite {
    async fn offer(&self, _: &[Candidate]) -> Result<()> {
        // The jobs are here already.
        self.changed.notify_waiters();
        Ok(())
    }

    async fn lease(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let looks = Looks::new(&request.id, request.wait);
        let mut worth_it = true;
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if worth_it || self.is_ready(request).await? {
                let leases = self.writer.write(Next(request.clone())).await;
                let leases = leases.map_err(|error| error.operation("queue.lease"))?;
                if !leases.is_empty() {
                    return Ok(leases);
                }
            }
            let Some(next) = looks.next() else { return Ok(Vec::new()) };
            worth_it = timeout_at(next, changed).await.is_ok();
        }
    }

    async fn renew(&self, job: &JobRef, fence: Fence, term: Duration) -> Result<Renewal> {
        let renew = Renew { job: job.clone(), fence, term };
        self.writer.write(renew).await.map_err(|error| error.operation("queue.renew"))
    }

    async fn release(&self, job: &JobRef, fence: Fence) -> Result<()> {
        let release = Release { job: job.clone(), fence };
        self.writer.write(release).await.map_err(|error| error.operation("queue.release"))?;
        self.changed.notify_waiters();
        Ok(())
    }

    async fn stats(&self, tenant: Option<&TenantId>) -> Result<QueueStats> {
        let mut connection = self.reader().await?;
        let (leased, high, normal, low, open, paused): (i64, i64, i64, i64, i64, i64) =
            query_as(STATS)
                .bind(tenant.map(TenantId::as_str))
                .bind(self.clock.now().as_micros())
                .fetch_one(&mut *connection)
                .await
                .map_err(|error| self.explain(&error))?;
        let waiting = open - leased - high - normal - low;
        Ok(QueueStats {
            ready: [count(high), count(normal), count(low)],
            waiting: count(waiting),
            leased: count(leased),
            paused: paused > 0,
        })
    }

    async fn pause(&self, tenant: Option<&TenantId>) -> Result<()> {
        self.writer.write(Switch { statement: PAUSE, tenant: tenant.cloned() }).await
    }

    async fn resume(&self, tenant: Option<&TenantId>) -> Result<()> {
        self.writer.write(Switch { statement: RESUME, tenant: tenant.cloned() }).await?;
        self.changed.notify_waiters();
        Ok(())
    }
}

impl Sqlite {
    /// Looks, without keeping anybody from writing, whether a lease may be had.
    async fn is_ready(&self, request: &LeaseRequest) -> Result<bool> {
        let mut connection = self.reader().await?;
        let ring = ring(&mut connection, request, 1, self.clock.now()).await;
        Ok(!ring.map_err(|error| self.explain(&error))?.is_empty())
    }
}

#[derive(Debug)]
struct Renew {
    job: JobRef,
    fence: Fence,
    term: Duration,
}

#[async_trait]
impl Write for Renew {
    type Answer = Renewal;

    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<Renewal> {
        let cancelling: Option<bool> = query_scalar(RENEW)
            .bind(self.job.tenant.as_str())
            .bind(self.job.id.as_str())
            .bind(int(self.fence.0))
            .bind((now + self.term).as_micros())
            .fetch_optional(&mut *tx)
            .await?;
        match cancelling {
            Some(true) => Ok(Renewal::Cancelling),
            Some(false) => Ok(Renewal::Held),
            None => number(tx, &self.job).await.map(|_| Renewal::Lost),
        }
    }
}

#[derive(Debug)]
struct Release {
    job: JobRef,
    fence: Fence,
}

#[async_trait]
impl Write for Release {
    type Answer = ();

    async fn write(&self, tx: &mut SqliteConnection, _: Timestamp) -> Outcome<()> {
        let number = number(&mut *tx, &self.job).await?;
        query(RELEASE).bind(number).bind(int(self.fence.0)).execute(tx).await?;
        Ok(())
    }
}

/// The job's number, so that one of another tenant is told from a lost one.
async fn number(tx: &mut SqliteConnection, job: &JobRef) -> Outcome<i64> {
    let number = Row::number(tx, job).await?;
    Ok(number.ok_or_else(|| decide::no_such_job(job))?)
}

#[derive(Debug)]
struct Switch {
    statement: &'static str,
    tenant: Option<TenantId>,
}

#[async_trait]
impl Write for Switch {
    type Answer = ();

    async fn write(&self, tx: &mut SqliteConnection, _: Timestamp) -> Outcome<()> {
        let tenant = self.tenant.as_ref().map_or("", TenantId::as_str);
        query(self.statement).bind(tenant).execute(tx).await?;
        Ok(())
    }
}
