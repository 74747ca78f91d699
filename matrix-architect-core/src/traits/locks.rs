//! One at a time, per target.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use super::Fence;
use crate::{
    error::Result,
    id::{TenantId, WorkerId},
};

/// What is locked: a service in an environment of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LockKey {
    /// Whose.
    pub tenant: TenantId,
    /// What, such as `systemd/production/web`.
    pub name: String,
}

/// Locks with a term and a fencing token.
///
/// # Contract
/// 1. `a_held_lock_is_a_conflict_for_others`, naming the holder.
/// 2. `tokens_of_a_key_only_grow`, across release, expiry and reopening.
///    `a_holder_that_takes_it_anew_shuts_out_its_old_self`: so a restarted holder need not wait.
/// 3. `a_lapsed_lock_can_be_taken_over`.
/// 4. `a_lapsed_holder_cannot_renew`: `Fenced`.
/// 5. `the_holder_can_renew_and_release`; releasing twice is no error.
/// 6. `another_tenants_key_is_another_key`.
///
/// Terms run on the store's clock. Every write is durable before it returns.
#[async_trait]
pub trait Locks: Debug + Send + Sync + 'static {
    /// Takes the lock for `term`.
    async fn acquire(&self, key: &LockKey, holder: &WorkerId, term: Duration) -> Result<Fence>;

    /// Holds it for `term` from now.
    async fn renew(&self, key: &LockKey, fence: Fence, term: Duration) -> Result<()>;

    /// Lets it go.
    async fn release(&self, key: &LockKey, fence: Fence) -> Result<()>;
}
