//! What is listed: jobs, messages that wait to be told, and the operator's census.

use std::{sync::Arc, time::Duration};

use serde_json::json;

use crate::{
    conformance::{
        Serves,
        check::refused,
        claim::created,
        sample::{cancelled, commit, dispatch, new_job, spec, tenant},
    },
    error::{ErrorKind, Result},
    id::{JobId, MessageId, TenantId},
    job::JobStatus,
    pipeline::{Dispatch, Version},
    traits::{JobQuery, Message, Operator, Store},
};

/// Promise 9.
pub async fn a_list_is_newest_first_and_pages(mut harness: impl Serves<dyn Store>) -> Result<()> {
    let home = TenantId::default();
    for number in 1..=7 {
        created(&harness, number).await?;
        harness.elapse(Duration::from_millis(1)).await;
    }
    let mut query = JobQuery { limit: 3, ..JobQuery::default() };
    let mut seen: Vec<JobId> = Vec::new();
    for late in 8..20 {
        let page = harness.backend().list(&home, &query).await?;
        seen.extend(page.jobs.iter().map(|record| record.job.id.clone()));
        created(&harness, late).await?;
        query.after = page.next;
        if query.after.is_none() {
            break;
        }
    }
    let expected: Vec<_> = (1..=7).rev().map(JobId::from_number).collect();
    assert_eq!(seen, expected, "no gap and no double while jobs are added");
    query.after = Some("not a cursor".to_owned());
    refused(harness.backend().list(&home, &query).await, ErrorKind::Invalid);
    Ok(())
}

/// Promise 9, about what it holds.
pub async fn a_list_is_of_what_was_asked_for(harness: impl Serves<dyn Store>) -> Result<()> {
    let (store, now, home) = (harness.backend(), harness.now().await, TenantId::default());
    for number in 1..=4 {
        let mut job = new_job(&home, number, now);
        job.spec.labels.insert("team".to_owned(), "blue".to_owned());
        if number % 2 == 0 {
            job.spec.labels.insert("urgent".to_owned(), "yes".to_owned());
        }
        let record = store.create(vec![job]).await?.remove(0);
        if number == 4 {
            let write = commit(&record, 1, None, vec![cancelled()], now)?;
            store.commit(&record.job.reference(), write).await?;
        }
    }
    let listed = async |query: JobQuery| -> Result<Vec<JobId>> {
        let page = store.list(&home, &query).await?;
        Ok(page.jobs.into_iter().map(|record| record.job.id).collect())
    };
    let numbers = |numbers: &[u128]| -> Vec<JobId> {
        numbers.iter().copied().map(JobId::from_number).collect()
    };
    let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let labels = vec![label("team", "blue"), label("urgent", "yes")];
    let mut query = JobQuery { labels, ..JobQuery::default() };
    assert_eq!(listed(query.clone()).await?, numbers(&[4, 2]));
    query.statuses = vec![JobStatus::Queued];
    assert_eq!(listed(query.clone()).await?, numbers(&[2]));
    query.labels = vec![label("team", "red")];
    assert_eq!(listed(query.clone()).await?, numbers(&[]));
    query.labels.clear();
    query.statuses = vec![JobStatus::Aborted, JobStatus::Queued];
    assert_eq!(listed(query).await?, numbers(&[4, 3, 2, 1]));
    Ok(())
}

/// Promise 14.
pub async fn outbox_messages_come_in_order_until_delivered(
    mut harness: impl Serves<dyn Store>,
) -> Result<()> {
    let mut record = created(&harness, 1).await?;
    let reference = record.job.reference();
    for number in 1..=3 {
        let mut write = dispatch(&record, number, Dispatch::Park);
        write.outbox.push(Message {
            id: MessageId::from_number(number),
            job: reference.clone(),
            topic: "job.test".to_owned(),
            body: json!({ "number": number.to_string() }),
        });
        harness.backend().commit(&reference, write.clone()).await?;
        harness.backend().commit(&reference, write).await?;
    }
    record.version = Version(9);
    let mut failed = dispatch(&record, 4, Dispatch::Park);
    failed.outbox.push(Message {
        id: MessageId::from_number(4),
        job: reference.clone(),
        topic: "job.test".to_owned(),
        body: json!({}),
    });
    refused(harness.backend().commit(&reference, failed).await, ErrorKind::Conflict);
    harness.reopen().await;
    let store = harness.backend();
    let ids = |messages: Vec<Message>| messages.into_iter().map(|message| message.id);
    let number = MessageId::from_number;
    assert!(ids(store.outbox(2).await?).eq([number(1), number(2)]));
    store.delivered(&[number(1), number(2)]).await?;
    store.delivered(&[number(1)]).await?;
    let rest = store.outbox(10).await?;
    assert_eq!(rest[0].body, json!({ "number": "3" }));
    assert_eq!(rest[0].job, reference);
    assert!(ids(rest).eq([number(3)]));
    Ok(())
}

/// Promise 1 of [`Operator`].
pub async fn the_operator_counts_all_tenants(
    harness: impl Serves<dyn Store> + Serves<dyn Operator>,
) -> Result<()> {
    let store: Arc<dyn Store> = harness.backend();
    let operator: Arc<dyn Operator> = harness.backend();
    let (now, home, away) = (harness.now().await, TenantId::default(), tenant("away")?);
    let jobs = vec![new_job(&home, 1, now), new_job(&home, 2, now), new_job(&away, 3, now)];
    let records = store.create(jobs).await?;
    let write = commit(&records[0], 1, None, vec![cancelled()], now)?;
    store.commit(&records[0].job.reference(), write).await?;
    let mut census = operator.census().await?;
    census.sort();
    let expected = [
        (away, JobStatus::Queued, 1),
        (home.clone(), JobStatus::Queued, 1),
        (home, JobStatus::Aborted, 1),
    ];
    assert_eq!(census, expected);
    assert_eq!(spec(), records[1].spec);
    Ok(())
}
