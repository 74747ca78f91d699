//! A writer that is killed at any moment: what it acknowledged is there, and nothing is half there.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader},
    sync::Arc,
    thread,
    time::Duration,
};

use matrix_architect_core::{
    conformance::sample::{commit, planned, started, worker},
    id::{MessageId, TenantId},
    job::NewJob,
    pipeline::JobRecord,
    traits::{JobQuery, Message, Operator as _, Store as _},
};

use crate::{child, new_job, now, open, told};

const CHILD: &str = "sqlite::crash::the_writer_that_is_killed";
const ROUNDS: u64 = 20;
const WRITERS: u128 = 8;

/// Not a test of its own: the process that [`a_killed_writer_loses_nothing_it_acknowledged`]
/// kills.
#[test]
#[ignore = "started by a_killed_writer_loses_nothing_it_acknowledged"]
fn the_writer_that_is_killed() {
    let Some((path, from)) = told() else { return };
    let from: u128 = from.parse().unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let store = Arc::new(open(&path).await.unwrap());
        let writers = (0..WRITERS).map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for number in 0.. {
                    write(&store, from + number * WRITERS + writer).await;
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
    });
}

/// Creates a job, says so, commits two events and a message to it, and says so.
#[expect(clippy::print_stdout, reason = "it tells its parent process")]
async fn write(store: &matrix_architect_store::sqlite::Sqlite, number: u128) {
    let record = store.create(vec![new_job(number)]).await.unwrap().remove(0);
    println!("\ncreated {number}");
    let events = vec![started(&worker(1)), planned()];
    let mut write = commit(&record, number, None, events, now()).unwrap();
    let reference = record.job.reference();
    write.outbox.push(Message {
        id: MessageId::from_number(number),
        job: reference.clone(),
        topic: "job.test".to_owned(),
        body: number.to_string().into(),
    });
    store.commit(&reference, write).await.unwrap();
    println!("\ncommitted {number}");
}

#[tokio::test]
async fn a_killed_writer_loses_nothing_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("architect.db");
    let (mut created, mut committed) = (HashSet::new(), HashSet::new());
    for round in 0..ROUNDS {
        let from = (u128::from(round) + 1) << 64;
        let mut writer = child(CHILD, &path, &from.to_string());
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        let mut hear = |line: String| match line.split_once(' ') {
            Some(("created", number)) => created.insert(number.parse::<u128>().unwrap()),
            Some(("committed", number)) => committed.insert(number.parse::<u128>().unwrap()),
            _ => false,
        };
        let begun = lines.by_ref().map_while(Result::ok).any(&mut hear);
        assert!(begun, "the writer begins");
        thread::sleep(Duration::from_micros(500 + round * 1_300));
        writer.kill().unwrap();
        writer.wait().unwrap();
        // The kill may have cut the last line.
        let rest: Vec<String> = lines.map_while(Result::ok).collect();
        let whole = rest.len().saturating_sub(1);
        rest.into_iter().take(whole).for_each(|line| {
            hear(line);
        });
    }
    assert!(created.len() > usize::try_from(ROUNDS).unwrap() && !committed.is_empty());
    check(&path, &created, &committed).await;
}

async fn check(path: &std::path::Path, created: &HashSet<u128>, committed: &HashSet<u128>) {
    let store = open(path).await.unwrap();
    for number in created {
        let NewJob { job, .. } = new_job(*number);
        store.load(&job).await.unwrap();
    }
    for number in committed {
        let NewJob { job, .. } = new_job(*number);
        assert_eq!(store.load(&job).await.unwrap().version.0, 2, "job {number}");
    }
    let told: HashSet<_> =
        store.outbox(1 << 20).await.unwrap().into_iter().map(|message| message.job).collect();
    let mut seen = 0;
    let mut query = JobQuery::default();
    query.limit = 1000;
    loop {
        let page = store.list(&TenantId::default(), &query).await.unwrap();
        for record in page.jobs {
            seen += 1;
            let reference = record.job.reference();
            let history = store.history(&reference, 0, 10).await.unwrap();
            assert_eq!(history.len() as u64, record.version.0, "events and record agree");
            assert!(history.is_empty() || history.len() == 2, "both events or none");
            assert_eq!(told.contains(&reference), !history.is_empty(), "and the message");
            let new = NewJob {
                job: reference,
                spec: record.spec.clone(),
                requested_by: record.job.requested_by.clone(),
                at: record.job.created_at,
            };
            assert_eq!(JobRecord::fold(&new, history).unwrap(), record);
        }
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let census = store.census().await.unwrap();
    assert_eq!(census.iter().map(|(.., count)| count).sum::<u64>(), seen);
}
