//! Leasing jobs: candidates somebody names, or those whose turn it is.

use async_trait::async_trait;
use matrix_architect_core::{
    tenant::JobRef,
    time::Timestamp,
    traits::{Fence, Lease, LeaseRequest},
};
use sqlx::{SqliteConnection, query, query_scalar};

use super::{
    pick::pick,
    row::Row,
    value::{from_json, json},
    writer::{Outcome, Write},
};
use crate::{decide::job as decide, remember::LEASES_KEPT};

/// Index: the primary key.
const GRANTED: &str = "select leases from granted where request = ?1";

/// Index: `granted_at`.
const GRANT: &str = "
    delete from granted where at < ?4;
    insert into granted (request, at, leases) values (?1, ?2, ?3)";

/// Leases those of the candidates that may be leased now.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) candidates: Vec<JobRef>,
    pub(super) request: LeaseRequest,
}

#[async_trait]
impl Write for Claim {
    type Answer = Vec<Lease>;

    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<Vec<Lease>> {
        if let Some(leases) = granted(&mut *tx, &self.request).await? {
            return Ok(leases);
        }
        let mut leases = Vec::new();
        for candidate in &self.candidates {
            if leases.len() == self.request.max {
                break;
            }
            if let Some(columns) = Row::find(&mut *tx, candidate).await? {
                let row = Row::read(columns)?;
                leases.extend(lease(&mut *tx, row, &self.request, now).await?);
            }
        }
        grant(tx, &self.request, &leases, now).await?;
        Ok(leases)
    }
}

/// Leases jobs whose turn it is.
#[derive(Debug)]
pub(super) struct Next(pub(super) LeaseRequest);

#[async_trait]
impl Write for Next {
    type Answer = Vec<Lease>;

    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<Vec<Lease>> {
        let Self(request) = self;
        if let Some(leases) = granted(&mut *tx, request).await? {
            return Ok(leases);
        }
        let mut leases = Vec::new();
        while leases.len() < request.max {
            let picked = pick(&mut *tx, request, request.max - leases.len(), now).await?;
            if picked.is_empty() {
                break;
            }
            for number in picked {
                let row = Row::read(Row::get(&mut *tx, number).await?)?;
                leases.extend(lease(&mut *tx, row, request, now).await?);
            }
        }
        grant(tx, request, &leases, now).await?;
        Ok(leases)
    }
}

/// Leases a job if it may be leased now. A lost worker is recorded even if that ends the job.
async fn lease(
    tx: &mut SqliteConnection,
    mut row: Row,
    request: &LeaseRequest,
    now: Timestamp,
) -> Outcome<Option<Lease>> {
    let is_ready = |row: &Row| row.ready_at().is_some_and(|at| at <= now);
    if !is_ready(&row) || row.record.state.rules > request.rules {
        return Ok(None);
    }
    let lost = row.worker.take();
    row.lease_until = None;
    if let Some(change) = decide::take_over(&row.record, lost, now)? {
        row.take(&change);
        row.append(&mut *tx, &change).await?;
    }
    row.fence.0 += 1;
    let leased = is_ready(&row);
    if leased {
        row.worker = Some(request.worker.clone());
        row.lease_until = Some(now + request.term);
    }
    row.save(tx).await?;
    Ok(leased.then(|| hold(row, request)))
}

fn hold(row: Row, request: &LeaseRequest) -> Lease {
    Lease {
        job: row.record.job.reference(),
        fence: row.fence,
        worker: request.worker.clone(),
        term: request.term,
        record: row.record,
    }
}

/// The leases the request was granted before.
async fn granted(tx: &mut SqliteConnection, request: &LeaseRequest) -> Outcome<Option<Vec<Lease>>> {
    let found: Option<String> =
        query_scalar(GRANTED).bind(request.id.as_str()).fetch_optional(&mut *tx).await?;
    let Some(text) = found else { return Ok(None) };
    let grants: Vec<(JobRef, Fence)> = from_json("the leases of a request", &text)?;
    let mut leases = Vec::with_capacity(grants.len());
    for (job, fence) in grants {
        let found = Row::find(&mut *tx, &job).await?.ok_or_else(|| decide::no_such_job(&job))?;
        leases.push(hold(Row { fence, ..Row::read(found)? }, request));
    }
    Ok(Some(leases))
}

/// Remembers what the request was granted, and forgets what nobody will ask for again.
async fn grant(
    tx: &mut SqliteConnection,
    request: &LeaseRequest,
    leases: &[Lease],
    now: Timestamp,
) -> Outcome<()> {
    if leases.is_empty() {
        return Ok(());
    }
    let grants: Vec<_> = leases.iter().map(|lease| (&lease.job, lease.fence)).collect();
    let forgotten = now.as_micros() - i64::try_from(LEASES_KEPT.as_micros()).unwrap_or(0);
    query(GRANT)
        .bind(request.id.as_str())
        .bind(now.as_micros())
        .bind(json(&grants)?)
        .bind(forgotten)
        .execute(tx)
        .await?;
    Ok(())
}
