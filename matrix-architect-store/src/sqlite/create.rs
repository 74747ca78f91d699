//! Creating jobs.

use std::collections::HashMap;

use async_trait::async_trait;
use matrix_architect_core::{error::Result, job::NewJob, pipeline::JobRecord, time::Timestamp};
use sqlx::{SqliteConnection, query, query_as, query_scalar};

use super::{
    row::Row,
    value::json,
    writer::{Outcome, Write},
};
use crate::decide::job as decide;

/// Which of the `[tenant, id, key]` are there already. Indexes: the unique one on (tenant, id),
/// and `job_key`.
const EXISTING: &str = "
    select wanted.key, job.number
    from json_each(?1) as wanted
    join job on job.tenant = wanted.value ->> 0 and job.id = wanted.value ->> 1
    union all
    select wanted.key, job.number
    from json_each(?1) as wanted
    join job on job.tenant = wanted.value ->> 0 and job.idempotency_key = wanted.value ->> 2";

/// Index: the primary key.
const LAST: &str = "select coalesce(max(number), 0) from job";

const INSERT_JOBS: &str = "
    insert into job (
        number, tenant, id, status, version, rules, priority, state, run_at, ready_at,
        idempotency_key
    )
    select new.value ->> 0, new.value ->> 1, new.value ->> 2, new.value ->> 3, 0,
        new.value ->> 4, new.value ->> 5, new.value ->> 6, ?2, ?2, new.value ->> 7
    from json_each(?1) as new";

const INSERT_DOCUMENTS: &str = "
    insert into document (job, spec, view)
    select new.value ->> 0, new.value ->> 1, new.value ->> 2 from json_each(?1) as new";

const INSERT_LABELS: &str = "
    insert into label (job, name, value)
    select new.value ->> 0, new.value ->> 1, new.value ->> 2 from json_each(?1) as new";

/// Creates jobs: all or none.
#[derive(Debug)]
pub(super) struct Create(pub(super) Vec<NewJob>);

#[async_trait]
impl Write for Create {
    type Answer = Vec<JobRecord>;

    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<Vec<JobRecord>> {
        let batch = self.sort(&mut *tx).await?;
        insert(tx, &batch.fresh, now).await?;
        Ok(batch.answers())
    }
}

/// What a call asks for, sorted into what is there and what is new.
#[derive(Default)]
struct Batch {
    /// For each job of the call.
    places: Vec<Place>,
    stored: Vec<JobRecord>,
    fresh: Vec<JobRecord>,
}

#[derive(Clone, Copy)]
enum Place {
    Stored(usize),
    Fresh(usize),
}

impl Create {
    async fn sort(&self, tx: &mut SqliteConnection) -> Outcome<Batch> {
        let mut batch = Batch::default();
        let existing = self.existing(&mut *tx).await?;
        let (mut ids, mut keys) = (HashMap::new(), HashMap::new());
        for (index, new) in self.0.iter().enumerate() {
            let key = new.spec.idempotency_key.as_ref().map(|key| (&new.job.tenant, key));
            let place = if let Some(&number) = existing.get(&index) {
                batch.stored.push(Row::read(Row::get(&mut *tx, number).await?)?.record);
                Place::Stored(batch.stored.len() - 1)
            } else if let Some(&place) = ids.get(&new.job) {
                place
            } else if let Some(&place) = key.as_ref().and_then(|key| keys.get(key)) {
                place
            } else {
                batch.fresh.push(JobRecord::new(new));
                Place::Fresh(batch.fresh.len() - 1)
            };
            let record = batch.record(place);
            if !decide::is_same(record, new) {
                return Err(decide::clash(record, new).into());
            }
            ids.insert(&new.job, place);
            keys.extend(key.map(|key| (key, place)));
            batch.places.push(place);
        }
        Ok(batch)
    }

    /// The numbers of those that are there, by their place in the call.
    async fn existing(&self, tx: &mut SqliteConnection) -> Outcome<HashMap<usize, i64>> {
        let name = |new: &'_ NewJob| {
            (new.job.tenant.clone(), new.job.id.clone(), new.spec.idempotency_key.clone())
        };
        let names: Vec<_> = self.0.iter().map(name).collect();
        let found: Vec<(i64, i64)> = query_as(EXISTING).bind(json(&names)?).fetch_all(tx).await?;
        let mut existing = HashMap::new();
        for (place, number) in found {
            // By id comes first and counts.
            existing.entry(usize::try_from(place).unwrap_or(usize::MAX)).or_insert(number);
        }
        Ok(existing)
    }
}

impl Batch {
    fn record(&self, place: Place) -> &JobRecord {
        match place {
            Place::Stored(index) => &self.stored[index],
            Place::Fresh(index) => &self.fresh[index],
        }
    }

    fn answers(&self) -> Vec<JobRecord> {
        self.places.iter().map(|place| self.record(*place).clone()).collect()
    }
}

async fn insert(tx: &mut SqliteConnection, fresh: &[JobRecord], now: Timestamp) -> Outcome<()> {
    if fresh.is_empty() {
        return Ok(());
    }
    let last: i64 = query_scalar(LAST).fetch_one(&mut *tx).await?;
    let numbered = || (last + 1..).zip(fresh);
    let jobs =
        numbered().map(|(number, record)| job(number, record)).collect::<Result<Vec<_>>>()?;
    let documents =
        numbered().map(|(number, record)| document(number, record)).collect::<Result<Vec<_>>>()?;
    let labels: Vec<_> = numbered()
        .flat_map(|(number, record)| {
            record.job.labels.iter().map(move |(name, value)| (number, name, value))
        })
        .collect();
    query(INSERT_JOBS).bind(json(&jobs)?).bind(now.as_micros()).execute(&mut *tx).await?;
    query(INSERT_DOCUMENTS).bind(json(&documents)?).execute(&mut *tx).await?;
    if !labels.is_empty() {
        query(INSERT_LABELS).bind(json(&labels)?).execute(&mut *tx).await?;
    }
    Ok(())
}

type NewRow<'a> = (i64, &'a str, &'a str, &'static str, u32, u8, String, Option<&'a str>);

fn job(number: i64, record: &JobRecord) -> Result<NewRow<'_>> {
    let job = &record.job;
    Ok((
        number,
        job.tenant.as_str(),
        job.id.as_str(),
        job.status.as_str(),
        record.state.rules,
        job.priority.rank(),
        json(&record.state)?,
        job.idempotency_key.as_deref(),
    ))
}

fn document(number: i64, record: &JobRecord) -> Result<(i64, String, String)> {
    Ok((number, json(&record.spec)?, json(&record.job)?))
}
