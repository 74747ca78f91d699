//! Creating jobs.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock},
};

use async_trait::async_trait;
use matrix_architect_core::{error::Result, job::NewJob, pipeline::JobRecord, time::Timestamp};
use sqlx::{SqliteConnection, query, query_as};

use super::{
    row::Row,
    value::json,
    writer::{Outcome, Write},
};
use crate::decide::job as decide;

/// The highest number, at place -1, and which of the `[tenant, id, key]` are there already.
/// Indexes: the primary key, the unique one on (tenant, id), and `job_key`.
const EXISTING: &str = "
    select -1, coalesce(max(number), 0) from job
    union all
    select wanted.key, job.number
    from json_each(?1) as wanted
    join job on job.tenant = wanted.value ->> 0 and job.id = wanted.value ->> 1
    union all
    select wanted.key, job.number
    from json_each(?1) as wanted
    join job on job.tenant = wanted.value ->> 0 and job.idempotency_key = wanted.value ->> 2";

/// Rows of one statement, the largest first. Statements of few sizes stay prepared, and a row given
/// in parameters costs a third of one unpacked from JSON.
const SIZES: [usize; 3] = [64, 8, 1];

/// For each of [`SIZES`].
static INSERT: LazyLock<[String; SIZES.len()]> = LazyLock::new(|| SIZES.map(insert_of));

/// Jobs and their documents in one go, for the way to the database costs more than a row.
fn insert_of(rows: usize) -> String {
    let job = vec!["(?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
    let document = vec!["(?, ?, ?)"; rows].join(", ");
    format!(
        "insert into job (
            number, tenant, id, status, version, rules, priority, state, run_at, ready_at,
            idempotency_key
        ) values {job};
        insert into document (job, spec, view) values {document}"
    )
}

const INSERT_LABELS: &str = "
    insert into label (job, name, value)
    select new.value ->> 0, new.value ->> 1, new.value ->> 2 from json_each(?1) as new";

/// Creates jobs: all or none.
#[derive(Debug)]
pub(super) struct Create(Vec<Fresh>);

/// A job as it would be stored, written out before it waits for its turn.
#[derive(Debug)]
struct Fresh {
    new: NewJob,
    record: JobRecord,
    state: Arc<str>,
    spec: Arc<str>,
    view: Arc<str>,
}

impl Fresh {
    fn of(new: NewJob) -> Result<Self> {
        let record = JobRecord::new(&new);
        let (state, spec) = (json(&record.state)?.into(), json(&record.spec)?.into());
        let view = json(&record.job)?.into();
        Ok(Self { new, record, state, spec, view })
    }
}

impl Create {
    pub(super) fn of(jobs: Vec<NewJob>) -> Result<Self> {
        jobs.into_iter().map(Fresh::of).collect::<Result<_>>().map(Self)
    }
}

#[async_trait]
impl Write for Create {
    type Answer = Vec<JobRecord>;

    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<Vec<JobRecord>> {
        let batch = self.sort(&mut *tx).await?;
        insert(tx, batch.last, &batch.fresh, now).await?;
        Ok(batch.answers())
    }
}

/// What a call asks for, sorted into what is there and what is new.
struct Batch<'a> {
    /// For each job of the call.
    places: Vec<Place>,
    stored: Vec<JobRecord>,
    fresh: Vec<&'a Fresh>,
    /// The highest number that is taken.
    last: i64,
}

#[derive(Clone, Copy)]
enum Place {
    Stored(usize),
    Fresh(usize),
}

impl Create {
    async fn sort(&self, tx: &mut SqliteConnection) -> Outcome<Batch<'_>> {
        let (last, existing) = self.existing(&mut *tx).await?;
        let mut batch = Batch { places: Vec::new(), stored: Vec::new(), fresh: Vec::new(), last };
        let (mut ids, mut keys) = (HashMap::new(), HashMap::new());
        for (index, fresh) in self.0.iter().enumerate() {
            let new = &fresh.new;
            let key = new.spec.idempotency_key.as_ref().map(|key| (&new.job.tenant, key));
            let place = if let Some(&number) = existing.get(&index) {
                batch.stored.push(Row::read(Row::get(&mut *tx, number).await?)?.record);
                Place::Stored(batch.stored.len() - 1)
            } else if let Some(&place) = ids.get(&new.job) {
                place
            } else if let Some(&place) = key.as_ref().and_then(|key| keys.get(key)) {
                place
            } else {
                batch.fresh.push(fresh);
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

    /// The highest number, and the numbers of those that are there, by their place in the call.
    async fn existing(&self, tx: &mut SqliteConnection) -> Outcome<(i64, HashMap<usize, i64>)> {
        let name = |fresh: &'_ Fresh| {
            let NewJob { job, spec, .. } = &fresh.new;
            json(&(&job.tenant, &job.id, &spec.idempotency_key))
        };
        let names = self.0.iter().map(name).collect::<Result<Vec<_>>>()?.join(",");
        let found: Vec<(i64, i64)> =
            query_as(EXISTING).bind(format!("[{names}]")).fetch_all(tx).await?;
        let (mut last, mut existing) = (0, HashMap::new());
        for (place, number) in found {
            match usize::try_from(place) {
                // By id comes first and counts.
                Ok(place) => drop(existing.entry(place).or_insert(number)),
                Err(_) => last = number,
            }
        }
        Ok((last, existing))
    }
}

impl Batch<'_> {
    fn record(&self, place: Place) -> &JobRecord {
        match place {
            Place::Stored(index) => &self.stored[index],
            Place::Fresh(index) => &self.fresh[index].record,
        }
    }

    fn answers(&self) -> Vec<JobRecord> {
        self.places.iter().map(|place| self.record(*place).clone()).collect()
    }
}

async fn insert(
    tx: &mut SqliteConnection,
    last: i64,
    fresh: &[&Fresh],
    now: Timestamp,
) -> Outcome<()> {
    let numbered: Vec<_> = (last + 1..).zip(fresh.iter().copied()).collect();
    let mut rest = &numbered[..];
    for (size, statement) in SIZES.into_iter().zip(&*INSERT) {
        while let Some((rows, after)) = rest.split_at_checked(size) {
            insert_rows(&mut *tx, statement, rows, now).await?;
            rest = after;
        }
    }
    let labels: Vec<_> = numbered
        .iter()
        .flat_map(|(number, fresh)| {
            fresh.record.job.labels.iter().map(move |(name, value)| (number, name, value))
        })
        .collect();
    if !labels.is_empty() {
        query(INSERT_LABELS).bind(json(&labels)?).execute(&mut *tx).await?;
    }
    Ok(())
}

async fn insert_rows(
    tx: &mut SqliteConnection,
    statement: &'static str,
    rows: &[(i64, &Fresh)],
    now: Timestamp,
) -> Outcome<()> {
    let mut insert = query(statement);
    for (number, fresh) in rows {
        let JobRecord { job, state, .. } = &fresh.record;
        insert = insert
            .bind(number)
            .bind(job.tenant.as_str())
            .bind(job.id.as_str())
            .bind(job.status.as_str())
            .bind(state.rules)
            .bind(job.priority.rank())
            .bind(Arc::clone(&fresh.state))
            .bind(now.as_micros())
            .bind(now.as_micros())
            .bind(job.idempotency_key.as_deref());
    }
    for (number, fresh) in rows {
        insert = insert.bind(number).bind(Arc::clone(&fresh.spec)).bind(Arc::clone(&fresh.view));
    }
    insert.execute(tx).await?;
    Ok(())
}
