//! Output as it comes: every promise of [`LogStore`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use bytes::Bytes;

use super::{Serves, check::refused, sample::tenant};
use crate::{
    error::{ErrorKind, Result},
    id::{Digest, JobId, TenantId},
    tenant::JobRef,
    traits::{Fence, LogId, LogPage, LogStore},
};

/// Expands to one test per promise of [`LogStore`](crate::traits::LogStore). The expression makes
/// a harness that serves `dyn LogStore`.
#[macro_export]
macro_rules! log_store_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            log_store,
            $harness,
            [
                what_was_appended_is_read,
                an_append_at_the_wrong_place_conflicts,
                a_repeated_append_returns_its_first_answer,
                a_stale_fence_cannot_append,
                a_sealed_log_takes_no_more,
                an_unknown_log_is_empty,
                another_tenants_log_is_empty,
                a_range_is_cut_exactly,
                logs_are_listed_in_the_order_they_began,
            ]
        );
    };
}

const FIRST: Fence = Fence(1);

fn log(name: &str) -> LogId {
    let job = JobRef::new(TenantId::default(), JobId::from_number(1));
    LogId { job, name: name.to_owned() }
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

/// Promise 1.
pub async fn what_was_appended_is_read(mut harness: impl Serves<dyn LogStore>) -> Result<()> {
    let raw = Bytes::from_static(b"\x00\xff\xfe not text\n");
    let first = harness.backend().append(&log("VERIFY"), FIRST, 0, raw.clone()).await?;
    assert_eq!(first, raw.len() as u64);
    assert_eq!(harness.backend().append(&log("VERIFY"), FIRST, first, Bytes::new()).await?, first);
    let end = harness.backend().append(&log("VERIFY"), FIRST, first, bytes("second\n")).await?;
    harness.backend().append(&log("deploy"), FIRST, 0, bytes("another log\n")).await?;
    harness.reopen().await;
    let page = harness.backend().read(&log("VERIFY"), 0..u64::MAX).await?;
    let all = [&raw[..], b"second\n"].concat();
    assert_eq!(page, LogPage::new(0, all.into(), end, false));
    Ok(())
}

/// Promise 2.
pub async fn an_append_at_the_wrong_place_conflicts(
    harness: impl Serves<dyn LogStore>,
) -> Result<()> {
    let logs = harness.backend();
    refused(logs.append(&log("a"), FIRST, 1, bytes("gap")).await, ErrorKind::Conflict);
    logs.append(&log("a"), FIRST, 0, bytes("0123")).await?;
    for (at, text) in [(5, "gap"), (0, "other"), (2, "23456"), (1, "12x"), (u64::MAX, "x")] {
        refused(logs.append(&log("a"), FIRST, at, bytes(text)).await, ErrorKind::Conflict);
    }
    assert_eq!(logs.read(&log("a"), 0..9).await?.bytes, bytes("0123"));
    Ok(())
}

/// Promise 2, its other half.
pub async fn a_repeated_append_returns_its_first_answer(
    mut harness: impl Serves<dyn LogStore>,
) -> Result<()> {
    let logs = harness.backend();
    assert_eq!(logs.append(&log("a"), FIRST, 0, bytes("0123")).await?, 4);
    assert_eq!(logs.append(&log("a"), FIRST, 4, bytes("4567")).await?, 8);
    harness.reopen().await;
    let logs = harness.backend();
    assert_eq!(logs.append(&log("a"), FIRST, 0, bytes("0123")).await?, 4);
    assert_eq!(logs.append(&log("a"), FIRST, 4, bytes("4567")).await?, 8);
    assert_eq!(logs.read(&log("a"), 0..99).await?.bytes, bytes("01234567"));
    logs.seal(&log("a"), FIRST).await?;
    assert_eq!(logs.append(&log("a"), FIRST, 4, bytes("4567")).await?, 8);
    Ok(())
}

/// Promise 3.
pub async fn a_stale_fence_cannot_append(mut harness: impl Serves<dyn LogStore>) -> Result<()> {
    let logs = harness.backend();
    logs.append(&log("a"), Fence(3), 0, bytes("old ")).await?;
    logs.append(&log("a"), Fence(5), 4, bytes("new")).await?;
    harness.reopen().await;
    let logs = harness.backend();
    refused(logs.append(&log("a"), Fence(3), 7, bytes("late")).await, ErrorKind::Fenced);
    refused(logs.append(&log("a"), Fence(3), 0, bytes("old ")).await, ErrorKind::Fenced);
    refused(logs.seal(&log("a"), Fence(4)).await, ErrorKind::Fenced);
    assert_eq!(logs.read(&log("a"), 0..99).await?.bytes, bytes("old new"));
    logs.append(&log("b"), Fence(1), 0, bytes("each log has its own")).await?;
    Ok(())
}

/// Promise 4.
pub async fn a_sealed_log_takes_no_more(mut harness: impl Serves<dyn LogStore>) -> Result<()> {
    let logs = harness.backend();
    logs.append(&log("a"), FIRST, 0, bytes("he")).await?;
    logs.append(&log("a"), FIRST, 2, bytes("llo")).await?;
    let digest = logs.seal(&log("a"), FIRST).await?;
    assert_eq!(digest, Digest::of(b"hello"));
    harness.reopen().await;
    let logs = harness.backend();
    assert_eq!(logs.seal(&log("a"), Fence(2)).await?, digest);
    refused(logs.append(&log("a"), Fence(2), 5, bytes("!")).await, ErrorKind::Conflict);
    let page = logs.read(&log("a"), 0..99).await?;
    assert_eq!(page, LogPage::new(0, bytes("hello"), 5, true));
    assert_eq!(logs.seal(&log("empty"), FIRST).await?, Digest::of(b""));
    assert!(logs.read(&log("empty"), 0..1).await?.sealed);
    Ok(())
}

/// Promise 5.
pub async fn an_unknown_log_is_empty(harness: impl Serves<dyn LogStore>) -> Result<()> {
    let logs = harness.backend();
    let page = logs.read(&log("nothing"), 0..10).await?;
    assert_eq!(page, LogPage::new(0, Bytes::new(), 0, false));
    assert!(logs.list(&log("nothing").job).await?.is_empty());
    Ok(())
}

/// Promise 6.
pub async fn another_tenants_log_is_empty(harness: impl Serves<dyn LogStore>) -> Result<()> {
    let logs = harness.backend();
    logs.append(&log("a"), Fence(7), 0, bytes("mine")).await?;
    let job = JobRef::new(tenant("stranger")?, log("a").job.id);
    let theirs = LogId { job, name: "a".to_owned() };
    assert_eq!(logs.read(&theirs, 0..10).await?.end, 0);
    assert!(logs.list(&theirs.job).await?.is_empty());
    logs.append(&theirs, FIRST, 0, bytes("theirs")).await?;
    assert_eq!(logs.read(&log("a"), 0..10).await?.bytes, bytes("mine"));
    Ok(())
}

/// Promise 7.
pub async fn a_range_is_cut_exactly(harness: impl Serves<dyn LogStore>) -> Result<()> {
    let logs = harness.backend();
    let piece = Bytes::from(b"0123456789".repeat(30_000));
    let mut whole = Vec::new();
    let mut end = 0;
    for _ in 0..4 {
        end = logs.append(&log("a"), FIRST, end, piece.clone()).await?;
        whole.extend_from_slice(&piece);
    }
    let size = 300_000;
    for (start, stop) in [(0, 1), (5, 5), (size - 1, size + 1), (size, size * 2), (7, size * 3)] {
        let page = logs.read(&log("a"), start..stop).await?;
        let (from, to) = (usize::try_from(start).ok(), usize::try_from(stop).ok());
        let expected = from.zip(to).and_then(|(from, to)| whole.get(from..to));
        assert_eq!(Some(&page.bytes[..]), expected, "{start}..{stop}");
        assert_eq!((page.start, page.end), (start, end));
    }
    let page = logs.read(&log("a"), 10..u64::MAX).await?;
    assert_eq!(page.bytes.len(), 1 << 20, "a page is a mebibyte at most");
    assert!(whole[10..].starts_with(&page.bytes));
    let beyond = logs.read(&log("a"), end + 5..end + 9).await?;
    assert!(beyond.bytes.is_empty());
    assert_eq!(beyond.end, end);
    Ok(())
}

/// Promise 8.
pub async fn logs_are_listed_in_the_order_they_began(
    mut harness: impl Serves<dyn LogStore>,
) -> Result<()> {
    for name in ["VERIFY", "PLAN", "deploy"] {
        harness.backend().append(&log(name), FIRST, 0, bytes("line\n")).await?;
    }
    harness.backend().append(&log("VERIFY"), FIRST, 5, bytes("line\n")).await?;
    harness.reopen().await;
    let names = harness.backend().list(&log("").job).await?;
    assert_eq!(names, ["VERIFY", "PLAN", "deploy"]);
    Ok(())
}
