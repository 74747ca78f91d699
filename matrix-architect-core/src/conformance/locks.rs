//! One at a time, per target: every promise of [`Locks`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use std::time::Duration;

use super::{
    Serves,
    check::refused,
    sample::{tenant, worker},
};
use crate::{
    error::{ErrorKind, Result},
    id::TenantId,
    traits::{Fence, LockKey, Locks},
};

/// Expands to one test per promise of [`Locks`](crate::traits::Locks). The expression makes a
/// harness that serves `dyn Locks`.
#[macro_export]
macro_rules! locks_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            locks,
            $harness,
            [
                a_held_lock_is_a_conflict_for_others,
                tokens_of_a_key_only_grow,
                a_holder_that_takes_it_anew_shuts_out_its_old_self,
                a_lapsed_lock_can_be_taken_over,
                a_lapsed_holder_cannot_renew,
                the_holder_can_renew_and_release,
                another_tenants_key_is_another_key,
            ]
        );
    };
}

const TERM: Duration = Duration::from_secs(30);

fn key() -> LockKey {
    LockKey { tenant: TenantId::default(), name: "systemd/production/web".to_owned() }
}

/// Promise 1.
pub async fn a_held_lock_is_a_conflict_for_others(
    mut harness: impl Serves<dyn Locks>,
) -> Result<()> {
    harness.backend().acquire(&key(), &worker(1), TERM).await?;
    harness.elapse(TERM.checked_sub(Duration::from_secs(1)).unwrap_or_default()).await;
    harness.reopen().await;
    let answer = harness.backend().acquire(&key(), &worker(2), TERM).await;
    let error = refused(answer, ErrorKind::Conflict);
    assert!(error.to_string().contains(worker(1).as_str()), "it names the holder: {error}");
    let other = LockKey { name: "systemd/production/api".to_owned(), ..key() };
    harness.backend().acquire(&other, &worker(2), TERM).await?;
    Ok(())
}

/// Promise 2.
pub async fn tokens_of_a_key_only_grow(mut harness: impl Serves<dyn Locks>) -> Result<()> {
    let mut last = Fence(0);
    for round in 1..=4 {
        let fence = harness.backend().acquire(&key(), &worker(round), TERM).await?;
        assert!(fence > last, "{fence:?} after {last:?}");
        last = fence;
        if round % 2 == 0 {
            harness.backend().release(&key(), fence).await?;
        } else {
            harness.elapse(TERM).await;
        }
        harness.reopen().await;
    }
    Ok(())
}

/// Promise 2, for one holder.
pub async fn a_holder_that_takes_it_anew_shuts_out_its_old_self(
    harness: impl Serves<dyn Locks>,
) -> Result<()> {
    let locks = harness.backend();
    let old = locks.acquire(&key(), &worker(1), TERM).await?;
    let new = locks.acquire(&key(), &worker(1), TERM).await?;
    assert!(new > old);
    refused(locks.renew(&key(), old, TERM).await, ErrorKind::Fenced);
    locks.release(&key(), old).await?;
    locks.renew(&key(), new, TERM).await
}

/// Promise 3.
pub async fn a_lapsed_lock_can_be_taken_over(mut harness: impl Serves<dyn Locks>) -> Result<()> {
    let old = harness.backend().acquire(&key(), &worker(1), TERM).await?;
    harness.elapse(TERM).await;
    let new = harness.backend().acquire(&key(), &worker(2), TERM).await?;
    assert!(new > old);
    harness.backend().release(&key(), old).await?;
    let answer = harness.backend().acquire(&key(), &worker(3), TERM).await;
    refused(answer, ErrorKind::Conflict);
    Ok(())
}

/// Promise 4.
pub async fn a_lapsed_holder_cannot_renew(mut harness: impl Serves<dyn Locks>) -> Result<()> {
    let fence = harness.backend().acquire(&key(), &worker(1), TERM).await?;
    harness.elapse(TERM).await;
    refused(harness.backend().renew(&key(), fence, TERM).await, ErrorKind::Fenced);
    let new = harness.backend().acquire(&key(), &worker(2), TERM).await?;
    refused(harness.backend().renew(&key(), fence, TERM).await, ErrorKind::Fenced);
    harness.backend().renew(&key(), new, TERM).await
}

/// Promise 5.
pub async fn the_holder_can_renew_and_release(mut harness: impl Serves<dyn Locks>) -> Result<()> {
    let fence = harness.backend().acquire(&key(), &worker(1), TERM).await?;
    for _ in 0..3 {
        harness.elapse(TERM / 2).await;
        harness.backend().renew(&key(), fence, TERM).await?;
    }
    let answer = harness.backend().acquire(&key(), &worker(2), TERM).await;
    refused(answer, ErrorKind::Conflict);
    harness.backend().release(&key(), fence).await?;
    harness.backend().release(&key(), fence).await?;
    refused(harness.backend().renew(&key(), fence, TERM).await, ErrorKind::Fenced);
    harness.backend().acquire(&key(), &worker(2), TERM).await?;
    Ok(())
}

/// Promise 6.
pub async fn another_tenants_key_is_another_key(harness: impl Serves<dyn Locks>) -> Result<()> {
    let locks = harness.backend();
    let mine = locks.acquire(&key(), &worker(1), TERM).await?;
    let theirs = LockKey { tenant: tenant("stranger")?, ..key() };
    let other = locks.acquire(&theirs, &worker(2), TERM).await?;
    locks.release(&theirs, other).await?;
    locks.renew(&key(), mine, TERM).await
}
