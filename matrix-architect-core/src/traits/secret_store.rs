//! Where secrets are.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{
    error::Result,
    secret::{Scope, Secret, SecretRef},
};

/// Where secrets are.
///
/// # Contract
/// 1. `a_secret_is_found_by_its_reference`.
/// 2. `an_unknown_reference_is_not_found`; the error names the reference and no value.
/// 3. `another_scheme_is_unsupported`.
/// 4. `another_tenants_secret_is_not_found`, where the backend knows tenants.
/// 5. `no_value_shows_in_debug_or_errors`.
///
/// # Cancellation
/// A pure read; may be dropped.
#[async_trait]
pub trait SecretStore: Debug + Send + Sync + 'static {
    /// The secret's value.
    async fn get(&self, scope: &Scope, reference: &SecretRef) -> Result<Secret>;
}
