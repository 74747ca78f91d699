//! Secrets from the environment of the process, as its owner read it.

use std::{collections::BTreeMap, fmt};

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    secret::{Scope, Secret, SecretRef},
    traits::SecretStore,
};

use super::{unknown, unsupported};

const SCHEME: &str = "env";

/// `env://NAME`: the variable of that name, out of those it was given.
///
/// A library does not read the environment. The program that composes it hands over the variables
/// that jobs may use, and no others: with all of them, any tenant could name the server's own keys.
/// All tenants see the same ones. A trailing end of line is no part of a value.
///
/// ```
/// use matrix_architect_core::{id::TenantId, secret::{Scope, SecretRef}, traits::SecretStore as _};
/// use matrix_architect_store::secrets::EnvSecrets;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let secrets = EnvSecrets::new([("GIT_TOKEN", "s3cret-value")]);
/// let scope = Scope { tenant: TenantId::default(), environment: None };
/// let token = secrets.get(&scope, &SecretRef::new("env://GIT_TOKEN")?).await?;
/// assert_eq!(token.expose(), b"s3cret-value");
/// assert_eq!(format!("{secrets:?}"), r#"EnvSecrets {"GIT_TOKEN"}"#);
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Default)]
pub struct EnvSecrets(BTreeMap<String, Secret>);

impl EnvSecrets {
    /// Knows these variables. Empty ones count as unset.
    pub fn new<K: Into<String>, V: Into<Vec<u8>>>(
        variables: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let secrets = variables.into_iter().filter_map(|(name, value)| {
            let value = super::file::without_end_of_line(value.into());
            (!value.is_empty()).then(|| (name.into(), Secret::new(value)))
        });
        Self(secrets.collect())
    }
}

#[async_trait]
impl SecretStore for EnvSecrets {
    async fn get(&self, _scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        if reference.scheme() != SCHEME {
            return Err(unsupported(reference, &[SCHEME]));
        }
        self.0.get(reference.locator()).cloned().ok_or_else(|| {
            unknown(reference)
                .advice("set the variable and allow it in the server's configuration, then restart")
        })
    }
}

impl fmt::Debug for EnvSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnvSecrets ")?;
        f.debug_set().entries(self.0.keys()).finish()
    }
}
