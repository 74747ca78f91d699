//! Whose turn it is.

use matrix_architect_core::{id::TenantId, time::Timestamp, traits::LeaseRequest};
use sqlx::{SqliteConnection, query, query_as};

use super::{
    value::{int, name},
    writer::Outcome,
};
use crate::schedule::{self, Head, Line};

/// The tenants with a ready job that stand first in the ring, with their places and the latest. The recursion steps from tenant to
/// tenant, so it costs nothing how many jobs one has. Indexes: `job_ready`, `turn_place`.
const RING: &str = "
    with recursive waiting (tenant) as (
        select min(tenant) from job where ready_at is not null
        union all
        select (
            select min(job.tenant) from job
            where job.ready_at is not null and job.tenant > waiting.tenant
        )
        from waiting where waiting.tenant is not null
    )
    select waiting.tenant, coalesce(turn.place, 0), (select coalesce(max(place), 0) from turn)
    from waiting left join turn on turn.tenant = waiting.tenant
    where waiting.tenant is not null
        and not exists (select 1 from pause where pause.tenant in ('', waiting.tenant))
        and exists (
            select 1 from job
            where job.tenant = waiting.tenant and job.priority in (0, 1, 2)
                and job.ready_at <= ?1 and job.rules <= ?2
        )
    order by max(coalesce(turn.place, 0), (select coalesce(max(place), 1) - 1 from turn)),
        waiting.tenant
    limit ?3";

/// The first ready jobs of a tenant at each priority. Index: `job_ready`.
const HEADS: &str = "
    with rank (rank) as (values (0), (1), (2))
    select job.number, rank.rank, job.ready_at
    from rank join job on job.number in (
        select number from job
        where tenant = ?1 and priority = rank.rank and ready_at <= ?2 and rules <= ?3
        order by ready_at, number
        limit ?4
    )";

/// Index: the primary key.
const SERVE: &str = "
    insert into turn (tenant, place) values (?1, ?2)
    on conflict (tenant) do update set place = excluded.place";

/// Picks up to `max` ready jobs and charges their tenants for the turn.
pub(super) async fn pick(
    tx: &mut SqliteConnection,
    request: &LeaseRequest,
    max: usize,
    now: Timestamp,
) -> Outcome<Vec<i64>> {
    let ring = ring(&mut *tx, request, max, now).await?;
    if ring.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = Vec::with_capacity(ring.len());
    let mut latest = 0;
    for (tenant, turn, highest) in ring {
        latest = highest;
        let heads = heads(&mut *tx, &tenant, request, max, now).await?;
        lines.push(Line { tenant: name::<TenantId>(tenant)?, turn, heads });
    }
    let picked = schedule::pick(lines, latest, max);
    for (tenant, place) in picked.turns {
        query(SERVE).bind(tenant.as_str()).bind(place).execute(&mut *tx).await?;
    }
    Ok(picked.jobs)
}

/// The tenants whose turn it is, their places, and the latest place of all.
pub(super) async fn ring(
    connection: &mut SqliteConnection,
    request: &LeaseRequest,
    max: usize,
    now: Timestamp,
) -> Result<Vec<(String, i64, i64)>, sqlx::Error> {
    query_as(RING)
        .bind(now.as_micros())
        .bind(request.rules)
        .bind(int(max))
        .fetch_all(connection)
        .await
}

async fn heads(
    tx: &mut SqliteConnection,
    tenant: &str,
    request: &LeaseRequest,
    max: usize,
    now: Timestamp,
) -> Outcome<Vec<Head>> {
    let found: Vec<(i64, u8, i64)> = query_as(HEADS)
        .bind(tenant)
        .bind(now.as_micros())
        .bind(request.rules)
        .bind(int(max))
        .fetch_all(&mut *tx)
        .await?;
    let head =
        |(number, rank, micros)| Head { number, rank, ready_at: Timestamp::from_micros(micros) };
    Ok(found.into_iter().map(head).collect())
}
