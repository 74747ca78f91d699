//! Several stores, each for its own scheme.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    secret::{Scope, Secret, SecretRef},
    traits::SecretStore,
};

use super::unsupported;

/// Asks the store whose scheme a reference names.
///
/// ```
/// use matrix_architect_core::{secret::SecretRef, traits::SecretStore as _};
/// use matrix_architect_store::secrets::{ChainedSecrets, EnvSecrets, FileSecrets};
///
/// let secrets = ChainedSecrets::new()
///     .with("env", EnvSecrets::new([("GIT_TOKEN", "s3cret-value")]))
///     .with("file", FileSecrets::new("/etc/architect/secrets"));
/// assert_eq!(secrets.schemes(), ["env", "file"]);
/// ```
#[derive(Clone, Default)]
pub struct ChainedSecrets(BTreeMap<String, Arc<dyn SecretStore>>);

impl ChainedSecrets {
    /// Without any store.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a store for references of this scheme, in place of one it had before.
    #[must_use]
    pub fn with(mut self, scheme: impl Into<String>, store: impl SecretStore) -> Self {
        self.0.insert(scheme.into(), Arc::new(store));
        self
    }

    /// The schemes it has a store for, in alphabetical order.
    pub fn schemes(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

#[async_trait]
impl SecretStore for ChainedSecrets {
    async fn get(&self, scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        match self.0.get(reference.scheme()) {
            Some(store) => store.get(scope, reference).await,
            None => Err(unsupported(reference, &self.schemes())),
        }
    }
}

impl fmt::Debug for ChainedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(&self.0).finish()
    }
}
