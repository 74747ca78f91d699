//! Small things with a name: users, tokens, environments, schedules, answers kept for idempotency.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{error::Result, id::TenantId, pipeline::Version};

/// Which record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecordKey {
    /// Whose.
    pub tenant: TenantId,
    /// Of which kind, such as `token`.
    pub kind: String,
    /// Its name within the kind.
    pub key: String,
}

/// A record and how often it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its name within the kind.
    pub key: String,
    /// Its content.
    pub value: Value,
    /// How often it was written, from 1; never used again after a delete.
    pub version: Version,
}

/// Small things with a name.
///
/// # Contract
/// 1. `what_was_put_is_got`, also after reopening.
/// 2. `a_put_with_a_stale_version_conflicts`; `expected: None` means the record must not exist.
///    `a_version_is_never_used_again`, also after a delete.
/// 3. `a_list_is_in_key_order_and_pages`: in the order of the keys' bytes; it starts after `after` and holds at most `limit`.
/// 4. `a_deleted_record_is_not_found`; deleting what is not there is `NotFound`.
/// 5. `another_tenants_record_is_not_found`.
///
/// Every write is durable before it returns.
#[async_trait]
pub trait Records: Debug + Send + Sync + 'static {
    /// The record; `None` if there is none.
    async fn get(&self, key: &RecordKey) -> Result<Option<Record>>;

    /// Writes it if its version is `expected`, and returns the new version.
    async fn put(
        &self,
        key: &RecordKey,
        value: &Value,
        expected: Option<Version>,
    ) -> Result<Version>;

    /// Records of a kind in key order, after `after`.
    async fn list(
        &self,
        tenant: &TenantId,
        kind: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Record>>;

    /// Removes it if its version is `expected`.
    async fn delete(&self, key: &RecordKey, expected: Version) -> Result<()>;
}
