//! Creating jobs.

mod insert;

use std::{collections::HashMap, sync::Arc};

use matrix_architect_core::{
    error::Result, id::TenantId, job::NewJob, pipeline::JobRecord, tenant::JobRef, time::Timestamp,
};
use sqlx::{SqliteConnection, query_as};

use self::insert::insert;
use super::{row::Row, value::json};
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

/// The jobs of one call, of which all are created or none.
#[derive(Debug)]
pub(super) struct Create(Vec<Fresh>);

/// A job as it would be stored, written out before it waits for its turn.
#[derive(Debug)]
struct Fresh {
    new: NewJob,
    // So that a list of these is not moved about by the kilobyte.
    record: Box<JobRecord>,
    name: String,
    state: Arc<str>,
    spec: Arc<str>,
    view: Arc<str>,
}

/// What became of one job of a call.
#[derive(Debug)]
pub(super) enum Told {
    /// It was created.
    New,
    /// It is the one at that place of the same call.
    Same(usize),
    /// It was there.
    Stored(Box<JobRecord>),
}

impl Fresh {
    fn of(new: NewJob) -> Result<Self> {
        let record = Box::new(JobRecord::new(&new));
        let name = json(&(&new.job.tenant, &new.job.id, &new.spec.idempotency_key))?;
        let (state, spec) = (json(&record.state)?.into(), json(&record.spec)?.into());
        let view = json(&record.job)?.into();
        Ok(Self { new, record, name, state, spec, view })
    }

    fn key(&self) -> Option<(&TenantId, &str)> {
        Some((&self.new.job.tenant, self.new.spec.idempotency_key.as_deref()?))
    }
}

impl Create {
    pub(super) fn of(jobs: Vec<NewJob>) -> Result<Self> {
        let mut all = Vec::with_capacity(jobs.len());
        for new in jobs {
            all.push(Fresh::of(new)?);
        }
        Ok(Self(all))
    }

    /// The jobs as they are stored now.
    pub(super) fn records(self, told: Vec<Told>) -> Vec<JobRecord> {
        let mut records: Vec<JobRecord> = Vec::with_capacity(told.len());
        for (fresh, told) in self.0.into_iter().zip(told) {
            records.push(match told {
                Told::New => *fresh.record,
                Told::Same(place) => records[place].clone(),
                Told::Stored(record) => *record,
            });
        }
        records
    }
}

/// Creates what several calls ask for as if they came one after the other, in as few statements as
/// one call takes. For each call, what became of its jobs, or why none was created.
pub(super) async fn create(
    tx: &mut SqliteConnection,
    calls: &[&Create],
    now: Timestamp,
) -> Result<Vec<Result<Vec<Told>>>, sqlx::Error> {
    let (last, existing) = existing(&mut *tx, calls).await?;
    let mut round = Round::default();
    let mut answers = Vec::with_capacity(calls.len());
    let mut first = 0;
    for (call, create) in calls.iter().enumerate() {
        let mut stored = HashMap::new();
        for place in 0..create.0.len() {
            if let Some(&number) = existing.get(&(first + place)) {
                stored.insert(place, Row::get(&mut *tx, number).await?);
            }
        }
        let stored = stored
            .into_iter()
            .map(|(place, columns)| Row::read(columns).map(|row| (place, Box::new(row.record))));
        let stored = stored.collect::<Result<HashMap<_, _>>>();
        answers.push(stored.and_then(|stored| round.add(call, create, stored)));
        first += create.0.len();
    }
    insert(tx, last, &round.fresh, now).await?;
    Ok(answers)
}

/// The highest number, and the numbers of those that are there, by their place in all calls.
async fn existing(
    tx: &mut SqliteConnection,
    calls: &[&Create],
) -> Result<(i64, HashMap<usize, i64>), sqlx::Error> {
    let names: Vec<_> =
        calls.iter().flat_map(|call| &call.0).map(|fresh| fresh.name.as_str()).collect();
    let found: Vec<(i64, i64)> =
        query_as(EXISTING).bind(format!("[{}]", names.join(","))).fetch_all(tx).await?;
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

/// What is new in some calls, and where it was asked for.
#[derive(Debug, Default)]
struct Round<'a> {
    fresh: Vec<&'a Fresh>,
    ids: HashMap<&'a JobRef, Place<'a>>,
    keys: HashMap<(&'a TenantId, &'a str), Place<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    call: usize,
    index: usize,
    fresh: &'a Fresh,
}

impl<'a> Round<'a> {
    /// Adds what is new in a call, or nothing of it.
    fn add(
        &mut self,
        call: usize,
        create: &'a Create,
        mut stored: HashMap<usize, Box<JobRecord>>,
    ) -> Result<Vec<Told>> {
        let before = self.fresh.len();
        let mut told = Vec::with_capacity(create.0.len());
        for (index, fresh) in create.0.iter().enumerate() {
            match self.tell(Place { call, index, fresh }, stored.remove(&index)) {
                Ok(one) => told.push(one),
                Err(error) => {
                    self.forget(before);
                    return Err(error);
                }
            }
        }
        Ok(told)
    }

    fn tell(&mut self, place: Place<'a>, stored: Option<Box<JobRecord>>) -> Result<Told> {
        let fresh = place.fresh;
        let like = self.ids.get(&fresh.new.job);
        let like = like.or_else(|| self.keys.get(&fresh.key()?));
        let record = stored.as_deref().or_else(|| like.map(|like| &*like.fresh.record));
        if let Some(record) = record.filter(|record| !decide::is_same(record, &fresh.new)) {
            return Err(decide::clash(record, &fresh.new));
        }
        Ok(match (stored, like) {
            (Some(record), _) => Told::Stored(record),
            (None, Some(like)) if like.call == place.call => Told::Same(like.index),
            (None, Some(like)) => Told::Stored(like.fresh.record.clone()),
            (None, None) => {
                self.fresh.push(fresh);
                self.ids.insert(&fresh.new.job, place);
                self.keys.extend(fresh.key().map(|key| (key, place)));
                Told::New
            }
        })
    }

    fn forget(&mut self, before: usize) {
        for fresh in self.fresh.drain(before..) {
            self.ids.remove(&fresh.new.job);
            fresh.key().and_then(|key| self.keys.remove(&key));
        }
    }
}
