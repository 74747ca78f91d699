//! Secrets a test knows.

use std::{collections::BTreeMap, fmt, sync::Mutex};

use async_trait::async_trait;

use super::locked;
use crate::{
    error::{Error, ErrorKind, Result},
    id::TenantId,
    secret::{Scope, Secret, SecretRef},
    traits::SecretStore,
};

fn unknown(reference: &SecretRef) -> Error {
    Error::not_found("there is no such secret").context("reference", reference)
}

/// Has no secret: every reference is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSecrets;

#[async_trait]
impl SecretStore for NoSecrets {
    async fn get(&self, _scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        Err(unknown(reference))
    }
}

/// Has the secrets it was given, per tenant, under the scheme `fixed`.
///
/// ```
/// use matrix_architect_core::{fake::FixedSecrets, id::TenantId};
///
/// let secrets = FixedSecrets::new().with(&TenantId::default(), "fixed://token", "s3cret")?;
/// assert!(!format!("{secrets:?}").contains("s3cret"));
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// ```
#[derive(Default)]
pub struct FixedSecrets(Mutex<BTreeMap<(TenantId, SecretRef), Secret>>);

impl FixedSecrets {
    /// Without any.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more.
    ///
    /// # Errors
    /// `Invalid` unless `reference` is a secret reference.
    pub fn with(
        self,
        tenant: &TenantId,
        reference: &str,
        value: impl Into<Vec<u8>>,
    ) -> Result<Self> {
        let key = (tenant.clone(), SecretRef::new(reference)?);
        locked(&self.0).insert(key, Secret::new(value));
        Ok(self)
    }
}

#[async_trait]
impl SecretStore for FixedSecrets {
    async fn get(&self, scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        if reference.scheme() != "fixed" {
            return Err(Error::new(ErrorKind::Unsupported, "no store for this scheme")
                .context("reference", reference));
        }
        let key = (scope.tenant.clone(), reference.clone());
        locked(&self.0).get(&key).cloned().ok_or_else(|| unknown(reference))
    }
}

impl fmt::Debug for FixedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(locked(&self.0).keys().map(|(_, reference)| reference)).finish()
    }
}
