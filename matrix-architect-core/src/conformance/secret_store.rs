//! Where secrets are: every promise of [`SecretStore`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use async_trait::async_trait;

use super::{Serves, check::refused};
use crate::{
    error::{ErrorKind, Result},
    id::TenantId,
    secret::{Scope, SecretRef},
    traits::SecretStore,
};

/// Expands to one test per promise of [`SecretStore`](crate::traits::SecretStore). The expression
/// makes a harness that is [`Provides`](crate::conformance::secret_store::Provides).
#[macro_export]
macro_rules! secret_store_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            secret_store,
            $harness,
            [
                a_secret_is_found_by_its_reference,
                an_unknown_reference_is_not_found,
                another_scheme_is_unsupported,
                another_tenants_secret_is_not_found,
                no_value_shows_in_debug_or_errors,
            ]
        );
    };
}

/// A harness that can put secrets where its backend finds them.
#[async_trait]
pub trait Provides: Serves<dyn SecretStore> {
    /// Puts a value where the backend finds it for this tenant, and says under which reference.
    /// The name is of upper-case letters and `_`.
    async fn provide(&mut self, tenant: &TenantId, name: &str, value: &[u8]) -> SecretRef;

    /// A reference that the backend could know and does not.
    fn unknown(&self) -> SecretRef;

    /// Whether a tenant's secrets are hidden from the others.
    fn knows_tenants(&self) -> bool;
}

const VALUE: &[u8] = b"correct-horse-battery-staple";

fn scope(tenant: &str) -> Result<Scope> {
    Ok(Scope { tenant: TenantId::new(tenant)?, environment: None })
}

/// Promise 1.
pub async fn a_secret_is_found_by_its_reference(mut harness: impl Provides) -> Result<()> {
    let scope = scope("one")?;
    let first = harness.provide(&scope.tenant, "FIRST_TOKEN", VALUE).await;
    let second = harness.provide(&scope.tenant, "SECOND_TOKEN", b"another value").await;
    for _ in 0..2 {
        assert_eq!(harness.backend().get(&scope, &first).await?.expose(), VALUE);
        assert_eq!(harness.backend().get(&scope, &second).await?.expose(), b"another value");
        harness.reopen().await;
    }
    let production = Scope { environment: Some("production".to_owned()), ..scope };
    assert_eq!(harness.backend().get(&production, &first).await?.expose(), VALUE);
    Ok(())
}

/// Promise 2.
pub async fn an_unknown_reference_is_not_found(harness: impl Provides) -> Result<()> {
    let unknown = harness.unknown();
    let error = refused(harness.backend().get(&scope("one")?, &unknown).await, ErrorKind::NotFound);
    assert!(error.to_string().contains(unknown.locator()), "{error} does not say which");
    Ok(())
}

/// Promise 3.
pub async fn another_scheme_is_unsupported(harness: impl Provides) -> Result<()> {
    let foreign = SecretRef::new("nobodys-scheme://TOKEN")?;
    refused(harness.backend().get(&scope("one")?, &foreign).await, ErrorKind::Unsupported);
    Ok(())
}

/// Promise 4.
pub async fn another_tenants_secret_is_not_found(mut harness: impl Provides) -> Result<()> {
    let (one, other) = (scope("one")?, scope("other")?);
    let reference = harness.provide(&one.tenant, "ITS_TOKEN", VALUE).await;
    let answer = harness.backend().get(&other, &reference).await;
    if harness.knows_tenants() {
        refused(answer, ErrorKind::NotFound);
    } else {
        assert_eq!(answer?.expose(), VALUE, "a backend without tenants serves all of them");
    }
    Ok(())
}

/// Promise 5.
pub async fn no_value_shows_in_debug_or_errors(mut harness: impl Provides) -> Result<()> {
    let scope = scope("one")?;
    let reference = harness.provide(&scope.tenant, "SHOWN_TOKEN", VALUE).await;
    let (store, value) = (harness.backend(), String::from_utf8_lossy(VALUE));
    let secret = store.get(&scope, &reference).await?;
    let unknown = refused(store.get(&scope, &harness.unknown()).await, ErrorKind::NotFound);
    let shown = format!("{store:?} {secret:?} {unknown} {unknown:?}");
    assert!(!shown.contains(&*value), "the value shows");
    Ok(())
}
