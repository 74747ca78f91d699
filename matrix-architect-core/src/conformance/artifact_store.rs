//! Content, found by its digest: every promise of [`ArtifactStore`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use super::{Serves, check::refused};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{Digest, TenantId},
    traits::{ArtifactStore, Body, ByteStream},
};

/// Expands to one test per promise of [`ArtifactStore`](crate::traits::ArtifactStore). The
/// expression makes a harness that is [`Damages`](crate::conformance::artifact_store::Damages).
#[macro_export]
macro_rules! artifact_store_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            artifact_store,
            $harness,
            [
                what_was_put_is_got,
                putting_twice_is_putting_once,
                a_range_is_cut_exactly,
                an_unknown_digest_is_not_found,
                another_tenants_artifact_is_not_found,
                a_body_that_fails_leaves_nothing,
                a_dropped_put_leaves_nothing,
                a_damaged_blob_is_never_served,
                an_empty_artifact_is_an_artifact,
                a_deleted_artifact_is_not_found,
                what_is_being_read_is_read_to_its_end,
                equal_content_may_be_put_at_the_same_time,
            ]
        );
    };
}

/// A harness that can spoil what its backend keeps, behind the backend's back.
#[async_trait]
pub trait Damages: Serves<dyn ArtifactStore> {
    /// Changes at least one bit of a stored artifact, at about `part` of 8 of what is stored.
    async fn damage(&mut self, tenant: &TenantId, digest: &Digest, part: u64);
}

type Store = Arc<dyn ArtifactStore>;

/// More than any backend keeps in one piece, half of it easy to compress and half of it not.
fn large() -> Bytes {
    static LARGE: LazyLock<Bytes> = LazyLock::new(|| {
        let mut bytes = "test of a module with a name ... ok\n".repeat(32_000).into_bytes();
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..130_000 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.into()
    });
    LARGE.clone()
}

async fn read(store: &Store, tenant: &TenantId, digest: &Digest) -> Result<Bytes> {
    store.get(tenant, digest, None).await?.collect(1 << 30).await
}

fn other_tenant() -> Result<TenantId> {
    TenantId::new("other")
}

/// Promise 1.
pub async fn what_was_put_is_got(mut harness: impl Damages) -> Result<()> {
    let tenant = TenantId::default();
    for content in [Bytes::from("hello"), Bytes::from(vec![0; 1]), large()] {
        let (digest, size) = harness.backend().put(&tenant, &content).await?;
        assert_eq!((digest, size), (Digest::of(&content), content.len() as u64));
        assert!(read(&harness.backend(), &tenant, &digest).await? == content);
        harness.reopen().await;
        assert!(read(&harness.backend(), &tenant, &digest).await? == content);
        assert_eq!(harness.backend().size(&tenant, &digest).await?, Some(size));
    }
    Ok(())
}

/// Promise 2.
pub async fn putting_twice_is_putting_once(harness: impl Damages) -> Result<()> {
    let (store, tenant) = (harness.backend(), TenantId::default());
    let first = store.put(&tenant, &Bytes::from("the same")).await?;
    assert_eq!(store.put(&tenant, &Bytes::from("the same")).await?, first);
    assert_eq!(store.scrub().await?.checked, 1);
    store.delete(&tenant, &first.0).await?;
    refused(store.get(&tenant, &first.0, None).await, ErrorKind::NotFound);
    Ok(())
}

/// Promise 3.
pub async fn a_range_is_cut_exactly(harness: impl Damages) -> Result<()> {
    let (store, tenant, content) = (harness.backend(), TenantId::default(), large());
    let (digest, size) = store.put(&tenant, &content).await?;
    let mib = 1 << 20;
    let ranges = [
        (0, 0),
        (0, 1),
        (5, 17),
        (mib - 1, mib + 1),
        (mib, 2 * mib),
        (mib - 7, 3 * mib + 7),
        (0, size),
        (1, size),
        (size - 1, size),
        (size - 1, size + 99),
        (size, size),
        (size, u64::MAX),
    ];
    for (start, end) in ranges {
        let got = store.get(&tenant, &digest, Some(start..end)).await?.collect(1 << 30).await?;
        let cut = |at: u64| usize::try_from(at.min(size)).unwrap_or(usize::MAX);
        assert!(got == content[cut(start)..cut(end)], "the range {start}..{end}");
    }
    for (start, end) in [(size + 1, size + 2), (u64::MAX - 1, u64::MAX), (9, 8)] {
        let range = Some(std::ops::Range { start, end });
        refused(store.get(&tenant, &digest, range).await, ErrorKind::Invalid);
    }
    Ok(())
}

/// Promise 4.
pub async fn an_unknown_digest_is_not_found(harness: impl Damages) -> Result<()> {
    let (store, tenant, unknown) = (harness.backend(), TenantId::default(), Digest::of("nobody"));
    refused(store.get(&tenant, &unknown, None).await, ErrorKind::NotFound);
    refused(store.get(&tenant, &unknown, Some(0..1)).await, ErrorKind::NotFound);
    assert_eq!(store.size(&tenant, &unknown).await?, None);
    assert_eq!(store.scrub().await?.checked, 0);
    Ok(())
}

/// Promise 5.
pub async fn another_tenants_artifact_is_not_found(harness: impl Damages) -> Result<()> {
    let (store, one, other) = (harness.backend(), TenantId::default(), other_tenant()?);
    let (digest, size) = store.put(&one, &Bytes::from("shared words")).await?;
    refused(store.get(&other, &digest, None).await, ErrorKind::NotFound);
    assert_eq!(store.size(&other, &digest).await?, None);
    store.delete(&other, &digest).await?;
    assert_eq!(store.size(&one, &digest).await?, Some(size));
    store.put(&other, &Bytes::from("shared words")).await?;
    store.delete(&one, &digest).await?;
    refused(store.get(&one, &digest, None).await, ErrorKind::NotFound);
    assert_eq!(store.size(&other, &digest).await?, Some(size));
    Ok(())
}

/// A body that ends as it was told to, after some content.
#[derive(Debug)]
struct Broken {
    content: Bytes,
    hangs: bool,
}

impl Body for Broken {
    fn open(&self) -> ByteStream {
        let content = stream::iter([Ok(self.content.clone())]);
        if self.hangs {
            return ByteStream::new(content.chain(stream::pending()));
        }
        let failure = Error::new(ErrorKind::Unavailable, "the line went dead");
        ByteStream::new(content.chain(stream::iter([Err(failure)])))
    }
}

async fn nothing_is_left(harness: &mut impl Damages, content: &Bytes) -> Result<()> {
    for _ in 0..2 {
        let (store, digest) = (harness.backend(), Digest::of(content));
        assert_eq!(store.size(&TenantId::default(), &digest).await?, None);
        assert_eq!(store.scrub().await?.checked, 0);
        harness.reopen().await;
    }
    Ok(())
}

/// Promise 6.
pub async fn a_body_that_fails_leaves_nothing(mut harness: impl Damages) -> Result<()> {
    for content in [Bytes::from("half"), large()] {
        let body = Broken { content: content.clone(), hangs: false };
        let answer = harness.backend().put(&TenantId::default(), &body).await;
        refused(answer, ErrorKind::Unavailable);
        nothing_is_left(&mut harness, &content).await?;
    }
    Ok(())
}

/// What the trait says about a put that was dropped half-way.
pub async fn a_dropped_put_leaves_nothing(mut harness: impl Damages) -> Result<()> {
    let body = Broken { content: large(), hangs: true };
    let (store, tenant) = (harness.backend(), TenantId::default());
    let put = store.put(&tenant, &body);
    let patience = std::time::Duration::from_millis(200);
    assert!(tokio::time::timeout(patience, put).await.is_err(), "the body never ends");
    nothing_is_left(&mut harness, &body.content).await
}

/// Promise 7.
pub async fn a_damaged_blob_is_never_served(mut harness: impl Damages) -> Result<()> {
    let tenant = TenantId::default();
    let (sound, _) = harness.backend().put(&tenant, &Bytes::from("sound")).await?;
    for (content, parts) in [(Bytes::from("a little content"), 0..8), (large(), 5..7)] {
        for part in parts {
            let (digest, _) = harness.backend().put(&tenant, &content).await?;
            harness.damage(&tenant, &digest, part).await;
            let store = harness.backend();
            assert_eq!(store.scrub().await?.corrupt, [digest]);
            assert_eq!(store.scrub().await?.checked, 2);
            let mut served = Vec::new();
            let failure = match store.get(&tenant, &digest, None).await {
                Err(error) => error,
                Ok(mut pieces) => loop {
                    match pieces.next().await {
                        Some(Ok(piece)) => served.extend_from_slice(&piece),
                        Some(Err(error)) => break error,
                        None => panic!("damaged content was served to its end"),
                    }
                },
            };
            assert_eq!(failure.code_str(), "damaged_artifact");
            assert!(content.starts_with(&served), "wrong bytes were served");
            assert!(served.len() < content.len(), "all of it was served");
            store.delete(&tenant, &digest).await?;
        }
    }
    assert_eq!(read(&harness.backend(), &tenant, &sound).await?, "sound");
    Ok(())
}

/// Promise 8.
pub async fn an_empty_artifact_is_an_artifact(mut harness: impl Damages) -> Result<()> {
    let tenant = TenantId::default();
    let (digest, size) = harness.backend().put(&tenant, &Bytes::new()).await?;
    assert_eq!((digest, size), (Digest::of(""), 0));
    harness.reopen().await;
    assert_eq!(read(&harness.backend(), &tenant, &digest).await?, "");
    assert_eq!(harness.backend().size(&tenant, &digest).await?, Some(0));
    refused(harness.backend().get(&tenant, &digest, Some(1..2)).await, ErrorKind::Invalid);
    Ok(())
}

/// Promise 9.
pub async fn a_deleted_artifact_is_not_found(mut harness: impl Damages) -> Result<()> {
    let tenant = TenantId::default();
    let (digest, _) = harness.backend().put(&tenant, &Bytes::from("short-lived")).await?;
    harness.backend().delete(&tenant, &digest).await?;
    harness.backend().delete(&tenant, &digest).await?;
    for _ in 0..2 {
        refused(harness.backend().get(&tenant, &digest, None).await, ErrorKind::NotFound);
        assert_eq!(harness.backend().size(&tenant, &digest).await?, None);
        harness.reopen().await;
    }
    harness.backend().put(&tenant, &Bytes::from("short-lived")).await?;
    assert_eq!(read(&harness.backend(), &tenant, &digest).await?, "short-lived");
    Ok(())
}

/// Content whose stream is open does not go away under its reader.
pub async fn what_is_being_read_is_read_to_its_end(harness: impl Damages) -> Result<()> {
    let (store, tenant, content) = (harness.backend(), TenantId::default(), large());
    let (digest, _) = store.put(&tenant, &content).await?;
    let mut pieces = store.get(&tenant, &digest, None).await?;
    let mut got = pieces.next().await.unwrap_or_else(|| Ok(Bytes::new()))?.to_vec();
    store.delete(&tenant, &digest).await?;
    got.extend_from_slice(&pieces.collect(1 << 30).await?);
    assert!(got == content);
    Ok(())
}

/// Several writers of one content all succeed, and it is there once.
pub async fn equal_content_may_be_put_at_the_same_time(harness: impl Damages) -> Result<()> {
    let (store, tenant, content) = (harness.backend(), TenantId::default(), large());
    let puts = (0..8).map(|_| store.put(&tenant, &content));
    for answer in futures_util::future::join_all(puts).await {
        assert_eq!(answer?.0, Digest::of(&content));
    }
    let report = store.scrub().await?;
    assert_eq!((report.checked, report.corrupt), (1, vec![]));
    Ok(())
}
