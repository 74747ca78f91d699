//! Calls that wait together share statements, and are answered as if each had come alone.

use futures_util::future::join_all;
use matrix_architect_core::{
    id::TenantId,
    job::NewJob,
    traits::{JobQuery, Store as _},
};
use matrix_architect_store::sqlite::Config;

use crate::{new_job, open, open_with};

fn keyed(number: u128, key: &str) -> NewJob {
    let mut new = new_job(number);
    new.spec.idempotency_key = Some(key.to_owned());
    "one goal".clone_into(&mut new.spec.goal);
    new
}

fn other(number: u128) -> NewJob {
    let mut new = new_job(number);
    "something else".clone_into(&mut new.spec.goal);
    new
}

#[tokio::test]
async fn jobs_that_are_created_at_once_meet_as_if_one_came_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("architect.db")).await.unwrap();
    let stored = store.create(vec![new_job(1)]).await.unwrap();
    let calls = [
        vec![new_job(2)],
        // It was there, it is new in another call, and it is asked for twice.
        vec![new_job(1), new_job(2), new_job(3), new_job(3)],
        // Nothing of a call that is refused is there for those after it.
        vec![new_job(4), keyed(5, "refused"), other(3)],
        vec![other(4)],
        vec![keyed(6, "refused")],
        vec![keyed(7, "refused")],
        vec![],
    ];
    let answers = join_all(calls.map(|jobs| store.create(jobs))).await;
    let ids = |call: usize| -> Vec<_> {
        let records = answers[call].as_ref().unwrap();
        records.iter().map(|record| record.job.id.clone()).collect()
    };
    let id = |number| new_job(number).job.id;
    assert_eq!(ids(0), [id(2)]);
    assert_eq!(ids(1), [id(1), id(2), id(3), id(3)]);
    assert_eq!(answers[1].as_ref().unwrap()[0], stored[0]);
    assert_eq!(answers[2].as_ref().unwrap_err().code_str(), "id_taken");
    assert_eq!((ids(3), ids(4), ids(5), ids(6)), (vec![id(4)], vec![id(6)], vec![id(6)], vec![]));
    assert_eq!(answers[3].as_ref().unwrap()[0].spec.goal, "something else");
    let page = store.list(&TenantId::default(), &JobQuery::default()).await.unwrap();
    let listed: Vec<_> = page.jobs.iter().map(|record| record.job.id.clone()).collect();
    assert_eq!(listed, [id(6), id(4), id(3), id(2), id(1)]);
}

#[tokio::test]
async fn one_call_that_cannot_be_written_leaves_the_others_of_its_group_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    let config = Config { max_megabytes: Some(2.try_into().unwrap()), ..Config::at(path) };
    let store = open_with(&config).await.unwrap();
    let mut large = new_job(2);
    large.spec.goal = "x".repeat(4 << 20);
    let calls = [vec![new_job(1)], vec![large], vec![new_job(3)]];
    let answers = join_all(calls.map(|jobs| store.create(jobs))).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(answers[1].as_ref().unwrap_err().code_str(), "disk_full");
}
