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
use sqlx::{SqliteConnection, query, query_as};
use tokio::time::timeout_at;

use super::{
    Sqlite,
    claim::Next,
    pick::ring,
    row::Row,
    value::count,
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
        let found = Row::find(&mut *tx, &self.job).await?;
        let mut row = Row::read(found.ok_or_else(|| decide::no_such_job(&self.job))?)?;
        if row.fence != self.fence || row.worker.is_none() {
            return Ok(Renewal::Lost);
        }
        row.lease_until = Some(now + self.term);
        row.save(tx).await?;
        let cancelling = row.record.state.cancelling;
        Ok(if cancelling { Renewal::Cancelling } else { Renewal::Held })
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
        let found = Row::find(&mut *tx, &self.job).await?;
        let mut row = Row::read(found.ok_or_else(|| decide::no_such_job(&self.job))?)?;
        if row.fence == self.fence {
            (row.worker, row.lease_until) = (None, None);
            row.save(tx).await?;
        }
        Ok(())
    }
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
