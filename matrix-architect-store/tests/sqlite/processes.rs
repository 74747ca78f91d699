//! Several processes on one file.

use std::{collections::HashSet, time::Duration};

use matrix_architect_core::{
    conformance::sample::request,
    id::{RequestId, WorkerId},
    traits::{LeaseRequest, Queue as _, Store as _},
};

use crate::{child, new_job, open, told};

const CHILD: &str = "sqlite::processes::a_process_that_leases";

/// Not a test of its own: leases until nothing more comes, and says what it got.
#[test]
#[ignore = "started by processes_share_one_file"]
fn a_process_that_leases() {
    let Some((path, worker)) = told() else { return };
    let worker: u128 = worker.parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = open(&path).await.unwrap();
        println!("\nready");
        for round in 0.. {
            let id = RequestId::from_number(worker << 64 | round);
            let request = LeaseRequest::new(id, WorkerId::from_number(worker));
            // Long enough for the parent to begin, however busy the machine is.
            let wait = Duration::from_secs(if round == 0 { 60 } else { 3 });
            let leases = store
                .lease(&request.max(3).wait(wait).term(Duration::from_mins(10)))
                .await
                .unwrap();
            if leases.is_empty() {
                break;
            }
            for lease in leases {
                println!("\nleased {} {}", lease.job.id, lease.fence.0);
            }
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_share_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    // All of them find no file, and create it at the same time.
    let children: Vec<_> =
        (1..=3).map(|worker: u32| child(CHILD, &path, &worker.to_string())).collect();
    let store = open(&path).await.unwrap();
    for batch in 0..10 {
        store.create((0..6).map(|place| new_job(batch * 6 + place)).collect()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let outputs = tokio::task::spawn_blocking(|| {
        children.into_iter().map(|child| child.wait_with_output().unwrap()).collect::<Vec<_>>()
    });
    let mut leased = Vec::new();
    let mut workers = 0;
    for output in outputs.await.unwrap() {
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{text}");
        let own = text.lines().filter_map(|line| line.strip_prefix("leased "));
        let own: Vec<String> = own.map(ToOwned::to_owned).collect();
        workers += usize::from(!own.is_empty());
        leased.extend(own);
    }
    let distinct: HashSet<_> = leased.iter().collect();
    assert_eq!((leased.len(), distinct.len()), (60, 60), "each job once");
    assert!(leased.iter().all(|lease| lease.ends_with(" 1")), "each with its first fence");
    assert!(workers > 0);
    assert!(store.lease(&request(1 << 100, 1)).await.unwrap().is_empty());
}
