//! Rows of new jobs.

use std::sync::{Arc, LazyLock};

use matrix_architect_core::{pipeline::JobRecord, time::Timestamp};
use sqlx::{SqliteConnection, query};

use super::Fresh;

/// Rows of one statement, the largest first. Statements of few sizes stay prepared, and a row given
/// in parameters costs a third of one unpacked from JSON.
const SIZES: [usize; 3] = [64, 8, 1];

/// For each of [`SIZES`].
static INSERT: LazyLock<[String; SIZES.len()]> = LazyLock::new(|| SIZES.map(insert_of));

/// Jobs and their documents in one go, for the way to the database costs more than a row. A row that
/// cannot be written ends the transaction, so SQLite need not be able to undo the statement alone.
fn insert_of(rows: usize) -> String {
    let job = vec!["(?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?)"; rows].join(", ");
    let document = vec!["(?, ?, ?)"; rows].join(", ");
    format!(
        "insert or fail into job (
            number, tenant, id, status, version, rules, priority, state, run_at, ready_at,
            idempotency_key
        ) values {job};
        insert or fail into document (job, spec, view) values {document}"
    )
}

const INSERT_LABEL: &str = "insert into label (job, name, value) values (?1, ?2, ?3)";

pub(super) async fn insert(
    tx: &mut SqliteConnection,
    last: i64,
    fresh: &[&Fresh],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let numbered: Vec<_> = (last + 1..).zip(fresh.iter().copied()).collect();
    let mut rest = &numbered[..];
    for (size, statement) in SIZES.into_iter().zip(&*INSERT) {
        while let Some((rows, after)) = rest.split_at_checked(size) {
            insert_rows(&mut *tx, statement, rows, now).await?;
            rest = after;
        }
    }
    for (number, fresh) in numbered {
        for (name, value) in &fresh.record.job.labels {
            query(INSERT_LABEL).bind(number).bind(name).bind(value).execute(&mut *tx).await?;
        }
    }
    Ok(())
}

async fn insert_rows(
    tx: &mut SqliteConnection,
    statement: &'static str,
    rows: &[(i64, &Fresh)],
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    let mut insert = query(statement);
    for (number, fresh) in rows {
        let JobRecord { job, state, .. } = &*fresh.record;
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
