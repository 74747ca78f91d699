//! Nothing is found without its tenant.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::{JobId, TenantId};

/// A job of a tenant. Minted where a request enters, from the authenticated principal's tenant,
/// so that no later call can name another tenant's job by its id alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct JobRef {
    /// Whose job it is.
    pub tenant: TenantId,
    /// Which job.
    pub id: JobId,
}

impl JobRef {
    /// The job `id` of `tenant`.
    pub const fn new(tenant: TenantId, id: JobId) -> Self {
        Self { tenant, id }
    }
}

impl fmt::Display for JobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}
