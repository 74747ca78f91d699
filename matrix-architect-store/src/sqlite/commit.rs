//! Committing events.

use async_trait::async_trait;
use matrix_architect_core::{
    pipeline::Version,
    tenant::JobRef,
    time::Timestamp,
    traits::{Commit, Committed},
};
use sqlx::{SqliteConnection, query, query_as};

use super::{
    row::Row,
    value::{count, int, json},
    writer::{Outcome, Write},
};
use crate::decide::job as decide;

/// Indexes: the unique one on (tenant, id), and the primary key of `answer`.
const FIRST_ANSWER: &str = "
    select answer.version, answer.at
    from job join answer on answer.job = job.number
    where job.tenant = ?1 and job.id = ?2 and answer.id = ?3";

const INSERT_ANSWER: &str = "insert into answer (job, id, version, at) values (?1, ?2, ?3, ?4)";

const INSERT_KEEPS: &str = "
    insert into keep (job, digest)
    select ?1, kept.value from json_each(?2) as kept
    where true
    on conflict do nothing";

/// Writes events, dispatch, messages and references.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) job: JobRef,
    pub(super) commit: Commit,
}

#[async_trait]
impl Write for Append {
    /// With the answer, from when on somebody else may lease the job.
    type Answer = (Committed, Option<Timestamp>);

    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<Self::Answer> {
        let Self { job, commit } = self;
        let found = Row::find(&mut *tx, job).await?;
        let mut row = Row::read(found.ok_or_else(|| decide::no_such_job(job))?)?;
        if let Some(first) = self.first_answer(&mut *tx).await? {
            return Ok((first, None));
        }
        let change = decide::commit(&row.record, row.fence, commit, now)?;
        let answer = Committed::new(change.record.version, now);
        row.take(&change);
        row.append(&mut *tx, &change).await?;
        row.save(&mut *tx).await?;
        query(INSERT_ANSWER)
            .bind(row.number)
            .bind(commit.id.as_str())
            .bind(int(answer.version.0))
            .bind(now.as_micros())
            .execute(&mut *tx)
            .await?;
        self.insert_keeps(tx, row.number).await?;
        Ok((answer, row.ready_at()))
    }
}

impl Append {
    async fn first_answer(&self, tx: &mut SqliteConnection) -> Outcome<Option<Committed>> {
        let found: Option<(i64, i64)> = query_as(FIRST_ANSWER)
            .bind(self.job.tenant.as_str())
            .bind(self.job.id.as_str())
            .bind(self.commit.id.as_str())
            .fetch_optional(tx)
            .await?;
        Ok(found.map(|(version, at)| {
            Committed::new(Version(count(version)), Timestamp::from_micros(at))
        }))
    }

    async fn insert_keeps(&self, tx: &mut SqliteConnection, number: i64) -> Outcome<()> {
        let keeps = &self.commit.keeps;
        if !keeps.is_empty() {
            query(INSERT_KEEPS).bind(number).bind(json(keeps)?).execute(tx).await?;
        }
        Ok(())
    }
}
