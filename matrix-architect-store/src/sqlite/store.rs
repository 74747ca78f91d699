//! Jobs and their events.

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    event::EventEnvelope,
    id::{MessageId, TenantId},
    job::{JobStatus, NewJob},
    pipeline::JobRecord,
    tenant::JobRef,
    time::Timestamp,
    traits::{
        Candidate, Commit, Committed, JobPage, JobQuery, Lease, LeaseRequest, Message, Operator,
        Store,
    },
};
use sqlx::{SqliteConnection, query, query_as, query_scalar};

use super::{
    Sqlite,
    claim::Claim,
    commit::Append,
    create::Create,
    row::{Columns, Row, select_job},
    value::{count, from_json, int, json, name},
    writer::{Outcome, Write},
};
use crate::{
    decide::job as decide,
    remember::{cursor, page_size},
};

/// Index: the primary key of `event`.
const HISTORY: &str =
    "select envelope from event where job = ?1 and seq > ?2 order by seq limit ?3";

/// Indexes: `job_newest`, and the primary key of `label`.
const LIST: &str = select_job!(
    "where job.tenant = ?1 and job.number < ?2
        and not exists (
            select 1 from json_each(?3) as wanted
            where not exists (
                select 1 from label
                where label.job = job.number
                    and label.name = wanted.value ->> 0 and label.value = wanted.value ->> 1
            )
        )
    order by job.number desc
    limit ?4"
);

/// As [`LIST`], of some statuses. Index: `job_status`.
const LIST_OF_STATUSES: &str = select_job!(
    "where job.tenant = ?1 and job.number < ?2
        and job.status in (select value from json_each(?5))
        and not exists (
            select 1 from json_each(?3) as wanted
            where not exists (
                select 1 from label
                where label.job = job.number
                    and label.name = wanted.value ->> 0 and label.value = wanted.value ->> 1
            )
        )
    order by job.number desc
    limit ?4"
);

/// Index: `job_key`.
const BY_KEY: &str =
    select_job!("where job.tenant = ?1 and job.idempotency_key = ?2 and job.number < ?3");

/// Index: the primary key of `outbox`.
const OUTBOX: &str = "select message from outbox order by number limit ?1";

/// Index: the unique one on (id).
const DELIVERED: &str = "delete from outbox where id in (select value from json_each(?1))";

/// Index: `job_status`, which has all of it.
const CENSUS: &str = "select tenant, status, count(*) from job group by tenant, status";

#[async_trait]
impl Store for Sqlite {
    async fn create(&self, jobs: Vec<NewJob>) -> Result<Vec<JobRecord>> {
        let records = self.writer.create(Create::of(jobs)?).await;
        let records = records.map_err(|error| error.operation("store.create"))?;
        self.changed.notify_waiters();
        Ok(records)
    }

    async fn commit(&self, job: &JobRef, commit: Commit) -> Result<Committed> {
        let append = Append { job: job.clone(), commit };
        let answer = self.writer.write(append).await;
        let (answer, ready_at) = answer.map_err(|error| error.operation("store.commit"))?;
        if ready_at.is_some_and(|at| at <= self.clock.now()) {
            self.changed.notify_waiters();
        }
        Ok(answer)
    }

    async fn load(&self, job: &JobRef) -> Result<JobRecord> {
        let mut connection = self.reader().await?;
        let found = Row::find(&mut connection, job).await.map_err(|error| self.explain(&error))?;
        Ok(Row::read(found.ok_or_else(|| decide::no_such_job(job))?)?.record)
    }

    async fn history(&self, job: &JobRef, after: u64, limit: usize) -> Result<Vec<EventEnvelope>> {
        let mut connection = self.reader().await?;
        let number =
            Row::number(&mut connection, job).await.map_err(|error| self.explain(&error))?;
        let envelopes: Vec<String> = query_scalar(HISTORY)
            .bind(number.ok_or_else(|| decide::no_such_job(job))?)
            .bind(int(after))
            .bind(int(limit))
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| self.explain(&error))?;
        envelopes.iter().map(|text| from_json("an event", text)).collect()
    }

    async fn list(&self, tenant: &TenantId, query: &JobQuery) -> Result<JobPage> {
        let (before, limit) = (cursor(query)?.unwrap_or(i64::MAX), page_size(query));
        let mut found = self.find(tenant, query, before, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|(number, ..)| number.to_string());
        let rows = found.into_iter().map(Row::read).collect::<Result<Vec<_>>>()?;
        Ok(JobPage::new(rows.into_iter().map(|row| row.record).collect(), next))
    }

    async fn claim(&self, candidates: &[Candidate], request: &LeaseRequest) -> Result<Vec<Lease>> {
        let candidates = candidates.iter().map(|candidate| candidate.job.clone()).collect();
        let claim = Claim { candidates, request: request.clone() };
        self.writer.write(claim).await.map_err(|error| error.operation("store.claim"))
    }

    async fn outbox(&self, limit: usize) -> Result<Vec<Message>> {
        let mut connection = self.reader().await?;
        let messages: Vec<String> = query_scalar(OUTBOX)
            .bind(int(limit))
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| self.explain(&error))?;
        messages.iter().map(|text| from_json("a message", text)).collect()
    }

    async fn delivered(&self, ids: &[MessageId]) -> Result<()> {
        self.writer.write(Delivered(ids.to_vec())).await
    }
}

impl Sqlite {
    async fn find(
        &self,
        tenant: &TenantId,
        wanted: &JobQuery,
        before: i64,
        limit: usize,
    ) -> Result<Vec<Columns>> {
        let mut connection = self.reader().await?;
        let names: Vec<_> = wanted.statuses.iter().map(|status| status.as_str()).collect();
        let (labels, names) = (json(&wanted.labels)?, json(&names)?);
        let statement = if wanted.statuses.is_empty() { LIST } else { LIST_OF_STATUSES };
        let found = match &wanted.idempotency_key {
            Some(key) => query_as(BY_KEY).bind(tenant.as_str()).bind(key).bind(before),
            None => query_as(statement)
                .bind(tenant.as_str())
                .bind(before)
                .bind(labels)
                .bind(int(limit))
                .bind(names),
        };
        found.fetch_all(&mut *connection).await.map_err(|error| self.explain(&error))
    }
}

struct Delivered(Vec<MessageId>);

#[async_trait]
impl Write for Delivered {
    type Answer = ();

    async fn write(&self, tx: &mut SqliteConnection, _: Timestamp) -> Outcome<()> {
        query(DELIVERED).bind(json(&self.0)?).execute(tx).await?;
        Ok(())
    }
}

#[async_trait]
impl Operator for Sqlite {
    async fn census(&self) -> Result<Vec<(TenantId, JobStatus, u64)>> {
        let mut connection = self.reader().await?;
        let rows: Vec<(String, String, i64)> = query_as(CENSUS)
            .fetch_all(&mut *connection)
            .await
            .map_err(|error| self.explain(&error))?;
        let read = |(tenant, status, number): (String, String, i64)| {
            let status = from_json("a status", &json(&status)?)?;
            Ok((name(tenant)?, status, count(number)))
        };
        rows.into_iter().map(read).collect()
    }
}
