//! Content, found by its digest.

use std::{fmt::Debug, ops::Range};

use async_trait::async_trait;

use super::{Body, ByteStream};
use crate::{
    error::Result,
    id::{Digest, TenantId},
};

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScrubReport {
    /// Blobs read and hashed.
    pub checked: u64,
    /// Blobs whose content is not what their name says.
    pub corrupt: Vec<Digest>,
}

impl ScrubReport {
    /// A report of its parts.
    pub const fn new(checked: u64, corrupt: Vec<Digest>) -> Self {
        Self { checked, corrupt }
    }
}

/// Content, found by its digest, per tenant.
///
/// # Contract
/// 1. `what_was_put_is_got`, byte for byte, also after reopening; the digest is the SHA-256 of the
///    content as given, however it is stored.
/// 2. `putting_twice_is_putting_once`.
/// 3. `a_range_is_cut_exactly`, to what there is; one that starts beyond the end is `Invalid`.
/// 4. `an_unknown_digest_is_not_found`.
/// 5. `another_tenants_artifact_is_not_found`, even when both hold the same content.
/// 6. `a_body_that_fails_leaves_nothing`.
/// 7. `a_damaged_blob_is_never_served`: reading it is an error, and `scrub` names it.
/// 8. `an_empty_artifact_is_an_artifact`.
/// 9. `a_deleted_artifact_is_not_found`; deleting what is not there is no error.
/// 10. `what_is_being_read_is_read_to_its_end`, also when it is deleted meanwhile.
/// 11. `equal_content_may_be_put_at_the_same_time`.
///
/// # Idempotence
/// Every call may be repeated: `a_dropped_put_leaves_nothing` that is found.
#[async_trait]
pub trait ArtifactStore: Debug + Send + Sync + 'static {
    /// Stores content, durably before it returns, and returns its digest and size.
    async fn put(&self, tenant: &TenantId, body: &dyn Body) -> Result<(Digest, u64)>;

    /// The content, or a range of it. Whole content is verified against its digest on the way:
    /// the stream ends with an error rather than with wrong bytes.
    async fn get(
        &self,
        tenant: &TenantId,
        digest: &Digest,
        range: Option<Range<u64>>,
    ) -> Result<ByteStream>;

    /// How many bytes it has; `None` if it is not there.
    async fn size(&self, tenant: &TenantId, digest: &Digest) -> Result<Option<u64>>;

    /// Forgets it.
    async fn delete(&self, tenant: &TenantId, digest: &Digest) -> Result<()>;

    /// Reads everything and says what is damaged.
    async fn scrub(&self) -> Result<ScrubReport>;
}
