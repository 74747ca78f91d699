//! Small things with a name: every promise of [`Records`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use serde_json::{Value, json};

use super::{Serves, check::refused, sample::tenant};
use crate::{
    error::{ErrorKind, Result},
    id::TenantId,
    pipeline::Version,
    traits::{Record, RecordKey, Records},
};

/// Expands to one test per promise of [`Records`](crate::traits::Records). The expression makes a
/// harness that serves `dyn Records`.
#[macro_export]
macro_rules! records_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            records,
            $harness,
            [
                what_was_put_is_got,
                a_put_with_a_stale_version_conflicts,
                a_version_is_never_used_again,
                a_list_is_in_key_order_and_pages,
                a_deleted_record_is_not_found,
                another_tenants_record_is_not_found,
            ]
        );
    };
}

fn key(name: &str) -> RecordKey {
    let (kind, key) = ("token".to_owned(), name.to_owned());
    RecordKey { tenant: TenantId::default(), kind, key }
}

/// Promise 1.
pub async fn what_was_put_is_got(mut harness: impl Serves<dyn Records>) -> Result<()> {
    let value = json!({ "text": "a 'quoted' \u{0} \u{1f600}", "list": [1, null, 2.5], "of": {} });
    assert_eq!(harness.backend().get(&key("a")).await?, None);
    let version = harness.backend().put(&key("a"), &value, None).await?;
    assert_eq!(version, Version(1));
    harness.reopen().await;
    let expected = Record { key: "a".to_owned(), value, version };
    assert_eq!(harness.backend().get(&key("a")).await?, Some(expected));
    let version = harness.backend().put(&key("a"), &Value::Null, Some(version)).await?;
    assert_eq!(version, Version(2));
    let got = harness.backend().get(&key("a")).await?;
    assert_eq!(got, Some(Record { key: "a".to_owned(), value: Value::Null, version }));
    let mut other = key("a");
    "user".clone_into(&mut other.kind);
    assert_eq!(harness.backend().get(&other).await?, None, "another kind is another record");
    Ok(())
}

/// Promise 2.
pub async fn a_put_with_a_stale_version_conflicts(harness: impl Serves<dyn Records>) -> Result<()> {
    let (records, value) = (harness.backend(), json!(1));
    refused(records.put(&key("a"), &value, Some(Version(1))).await, ErrorKind::Conflict);
    let first = records.put(&key("a"), &value, None).await?;
    refused(records.put(&key("a"), &json!(2), None).await, ErrorKind::Conflict);
    let second = records.put(&key("a"), &json!(2), Some(first)).await?;
    refused(records.put(&key("a"), &json!(3), Some(first)).await, ErrorKind::Conflict);
    refused(records.delete(&key("a"), first).await, ErrorKind::Conflict);
    let got = records.get(&key("a")).await?;
    assert_eq!(got, Some(Record { key: "a".to_owned(), value: json!(2), version: second }));
    Ok(())
}

/// Promise 2, across a delete.
pub async fn a_version_is_never_used_again(mut harness: impl Serves<dyn Records>) -> Result<()> {
    let first = harness.backend().put(&key("a"), &json!(1), None).await?;
    harness.backend().delete(&key("a"), first).await?;
    harness.reopen().await;
    let records = harness.backend();
    refused(records.put(&key("a"), &json!(2), Some(first)).await, ErrorKind::Conflict);
    let second = records.put(&key("a"), &json!(2), None).await?;
    assert!(second > first, "who remembers the old version must not hit the new record");
    refused(records.delete(&key("a"), first).await, ErrorKind::Conflict);
    Ok(())
}

/// Promise 3.
pub async fn a_list_is_in_key_order_and_pages(harness: impl Serves<dyn Records>) -> Result<()> {
    let (records, home) = (harness.backend(), TenantId::default());
    for name in ["b", "a", "c", "ab", "B", "é", "_"] {
        records.put(&key(name), &json!(name), None).await?;
    }
    let gone = records.put(&key("bb"), &json!(0), None).await?;
    records.delete(&key("bb"), gone).await?;
    let mut other = key("aa");
    "user".clone_into(&mut other.kind);
    records.put(&other, &json!(0), None).await?;
    let mut names = Vec::new();
    let mut after = None;
    loop {
        let page = records.list(&home, "token", after.as_deref(), 2).await?;
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        after = Some(last.key.clone());
        names.extend(page.into_iter().map(|record| record.key));
    }
    assert_eq!(names, ["B", "_", "a", "ab", "b", "c", "é"], "in the order of bytes");
    Ok(())
}

/// Promise 4.
pub async fn a_deleted_record_is_not_found(mut harness: impl Serves<dyn Records>) -> Result<()> {
    refused(harness.backend().delete(&key("a"), Version(1)).await, ErrorKind::NotFound);
    let version = harness.backend().put(&key("a"), &json!(1), None).await?;
    harness.backend().delete(&key("a"), version).await?;
    harness.reopen().await;
    let records = harness.backend();
    assert_eq!(records.get(&key("a")).await?, None);
    assert!(records.list(&TenantId::default(), "token", None, 10).await?.is_empty());
    refused(records.delete(&key("a"), version).await, ErrorKind::NotFound);
    Ok(())
}

/// Promise 5.
pub async fn another_tenants_record_is_not_found(harness: impl Serves<dyn Records>) -> Result<()> {
    let records = harness.backend();
    let version = records.put(&key("a"), &json!("mine"), None).await?;
    let theirs = RecordKey { tenant: tenant("stranger")?, ..key("a") };
    assert_eq!(records.get(&theirs).await?, None);
    assert!(records.list(&theirs.tenant, "token", None, 10).await?.is_empty());
    refused(records.delete(&theirs, version).await, ErrorKind::NotFound);
    records.put(&theirs, &json!("theirs"), None).await?;
    let mine = records.get(&key("a")).await?.map(|record| record.value);
    assert_eq!(mine, Some(json!("mine")));
    Ok(())
}
