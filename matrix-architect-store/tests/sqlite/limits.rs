//! No more room: what was acknowledged stays, and what fits is still taken.

use std::num::NonZeroU32;

use matrix_architect_core::{error::ErrorKind, traits::Store as _};
use matrix_architect_store::sqlite::Config;

use crate::{new_job, open, open_with};

#[tokio::test]
async fn a_full_database_keeps_what_it_took_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    let config = Config { max_megabytes: NonZeroU32::new(1), ..Config::at(&path) };
    let store = open_with(&config).await.unwrap();
    let mut taken = 0;
    let error = loop {
        let jobs = (0..50).map(|place| new_job(taken + place)).collect();
        match store.create(jobs).await {
            Ok(_) => taken += 50,
            Err(error) => break error,
        }
        assert!(taken < 10_000, "a mebibyte has an end");
    };
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Unavailable, "disk_full"));
    assert!(error.to_string().contains("free space"), "{error}");
    assert!(taken > 0);
    for number in 0..taken {
        store.load(&new_job(number).job).await.unwrap();
    }
    let missing = store.load(&new_job(taken).job).await.unwrap_err();
    assert!(missing.is_not_found(), "nothing of the failed batch is there");
    drop(store);
    open(&path).await.unwrap().create(vec![new_job(taken)]).await.unwrap();
}

#[tokio::test]
async fn one_write_that_has_no_room_does_not_fail_those_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    let config = Config { max_megabytes: NonZeroU32::new(1), ..Config::at(&path) };
    let store = open_with(&config).await.unwrap();
    let mut jobs: Vec<_> = (0..8).map(new_job).collect();
    jobs[3].spec.goal = "x".repeat(2 << 20);
    // All of them wait together, so they share a transaction at first.
    let all = jobs.iter().map(|job| store.create(vec![job.clone()]));
    let answers = futures_util::future::join_all(all).await;
    for (number, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer.is_ok(), number != 3, "job {number}: {answer:?}");
    }
}
