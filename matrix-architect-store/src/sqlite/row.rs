//! A job as it is stored: the hot row and the document beside it.

use matrix_architect_core::{
    error::Result,
    id::WorkerId,
    job::JobSpec,
    pipeline::{Dispatch, JobRecord, Version},
    tenant::JobRef,
    time::Timestamp,
    traits::{Fence, Message},
};
use sqlx::{SqliteConnection, query, query_as, query_scalar};

use super::{
    value::{count, from_json, int, json, moment, name},
    writer::Outcome,
};
use crate::decide::job::Change;

/// A job and what the store knows of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) record: JobRecord,
    pub(super) fence: Fence,
    pub(super) worker: Option<WorkerId>,
    pub(super) lease_until: Option<Timestamp>,
    pub(super) run_at: Option<Timestamp>,
}

/// The columns of a [`Row`], in their order.
pub(super) type Columns =
    (i64, i64, String, String, String, i64, Option<String>, Option<i64>, Option<i64>);

/// A query for [`Columns`]: what follows `from job`.
macro_rules! select_job {
    ($rest:literal) => {
        concat!(
            "select job.number, job.version, job.state, document.spec, document.view, ",
            "job.fence, job.worker, job.lease_until, job.run_at ",
            "from job join document on document.job = job.number ",
            $rest
        )
    };
}
pub(super) use select_job;

/// Index: the unique one on (tenant, id).
const BY_NAME: &str = select_job!("where job.tenant = ?1 and job.id = ?2");

/// Index: the primary key.
const BY_NUMBER: &str = select_job!("where job.number = ?1");

/// Index: the unique one on (tenant, id).
const NUMBER: &str = "select number from job where tenant = ?1 and id = ?2";

/// Index: the primary key.
const UPDATE: &str = "
    update job
    set status = ?2, version = ?3, state = ?4, run_at = ?5, ready_at = ?6,
        fence = ?7, worker = ?8, lease_until = ?9
    where number = ?1";

/// One row for each `[seq, envelope]`, and what clients see after them. Index: the primary key of
/// `document`.
const APPEND: &str = "
    insert into event (job, seq, envelope)
    select ?1, each.value ->> 0, each.value ->> 1 from json_each(?2) as each;
    update document set view = ?3 where job = ?1";

/// A message that is there already was told before. Index: the unique one on (id).
const INSERT_MESSAGES: &str = "
    insert into outbox (id, message)
    select message.value ->> 0, message.value ->> 1 from json_each(?1) as message
    order by message.key
    on conflict (id) do nothing";

impl Row {
    /// The number of the job of that name.
    pub(super) async fn number(
        connection: &mut SqliteConnection,
        job: &JobRef,
    ) -> Result<Option<i64>, sqlx::Error> {
        query_scalar(NUMBER)
            .bind(job.tenant.as_str())
            .bind(job.id.as_str())
            .fetch_optional(connection)
            .await
    }

    /// The job of that name.
    pub(super) async fn find(
        connection: &mut SqliteConnection,
        job: &JobRef,
    ) -> Result<Option<Columns>, sqlx::Error> {
        query_as(BY_NAME)
            .bind(job.tenant.as_str())
            .bind(job.id.as_str())
            .fetch_optional(connection)
            .await
    }

    /// The job of that number.
    pub(super) async fn get(
        connection: &mut SqliteConnection,
        number: i64,
    ) -> Result<Columns, sqlx::Error> {
        query_as(BY_NUMBER).bind(number).fetch_one(connection).await
    }

    /// What was found, read.
    pub(super) fn read(columns: Columns) -> Result<Self> {
        let (number, version, state, spec, view, fence, worker, lease_until, run_at) = columns;
        let spec: JobSpec = from_json("the job's spec", &spec)?;
        let record = JobRecord {
            spec,
            job: from_json("the job", &view)?,
            state: from_json("the job's state", &state)?,
            version: Version(count(version)),
        };
        Ok(Self {
            number,
            record,
            fence: Fence(count(fence)),
            worker: worker.map(name).transpose()?,
            lease_until: moment(lease_until),
            run_at: moment(run_at),
        })
    }

    /// From when on it may be leased; never if it is parked or done.
    pub(super) fn ready_at(&self) -> Option<Timestamp> {
        let run_at = self.run_at?;
        Some(self.lease_until.map_or(run_at, |until| run_at.max(until)))
    }

    /// Takes a change over; [`Row::save`] writes it.
    pub(super) fn take(&mut self, change: &Change) {
        self.record = change.record.clone();
        self.run_at = match change.dispatch {
            Dispatch::Ready { at } => Some(at),
            Dispatch::Park | Dispatch::Done => None,
        };
        if change.dispatch == Dispatch::Done {
            (self.worker, self.lease_until) = (None, None);
        }
    }

    /// Writes the events of a change, what clients see after it and what the outside is told.
    pub(super) async fn append(&self, tx: &mut SqliteConnection, change: &Change) -> Outcome<()> {
        tell(&mut *tx, &change.messages).await?;
        if change.envelopes.is_empty() {
            return Ok(());
        }
        let envelope = |envelope| json(envelope);
        let texts = change.envelopes.iter().map(envelope).collect::<Result<Vec<_>>>()?;
        let rows: Vec<_> =
            change.envelopes.iter().map(|envelope| envelope.seq).zip(&texts).collect();
        let (rows, view) = (json(&rows)?, json(&change.record.job)?);
        query(APPEND).bind(self.number).bind(rows).bind(view).execute(tx).await?;
        Ok(())
    }

    /// Writes the hot row.
    pub(super) async fn save(&self, tx: &mut SqliteConnection) -> Outcome<()> {
        query(UPDATE)
            .bind(self.number)
            .bind(self.record.job.status.as_str())
            .bind(int(self.record.version.0))
            .bind(json(&self.record.state)?)
            .bind(self.run_at.map(Timestamp::as_micros))
            .bind(self.ready_at().map(Timestamp::as_micros))
            .bind(int(self.fence.0))
            .bind(self.worker.as_ref().map(WorkerId::as_str))
            .bind(self.lease_until.map(Timestamp::as_micros))
            .execute(tx)
            .await?;
        Ok(())
    }
}

async fn tell(tx: &mut SqliteConnection, messages: &[Message]) -> Outcome<()> {
    if messages.is_empty() {
        return Ok(());
    }
    let texts = messages.iter().map(json).collect::<Result<Vec<_>>>()?;
    let rows: Vec<_> = messages.iter().map(|message| &message.id).zip(&texts).collect();
    query(INSERT_MESSAGES).bind(json(&rows)?).execute(tx).await?;
    Ok(())
}
