//! Remembering which secrets a job was handed, so that none of them is ever shown.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use crate::{
    error::Result,
    redact::Redactor,
    secret::{Scope, Secret, SecretRef},
    traits::SecretStore,
};

/// The secrets a job was handed.
#[derive(Debug, Default)]
pub(crate) struct SeenSecrets {
    redactor: Mutex<Redactor>,
    count: AtomicUsize,
}

impl SeenSecrets {
    /// How often one was handed out: whoever holds a redactor knows by it that there is more.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// A redactor of all of them.
    pub(crate) fn redactor(&self) -> Redactor {
        self.redactor.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, secret: &Secret) -> Result<()> {
        let mut redactor = self.redactor.lock().unwrap_or_else(PoisonError::into_inner);
        *redactor = redactor.with([secret])?;
        self.count.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

/// A secret store that remembers what it hands out, and hands out nothing it could not take out
/// of a log again.
#[derive(Debug)]
pub(crate) struct WatchedSecrets {
    inner: Arc<dyn SecretStore>,
    seen: Arc<SeenSecrets>,
}

impl WatchedSecrets {
    pub(crate) fn new(inner: Arc<dyn SecretStore>, seen: Arc<SeenSecrets>) -> Self {
        Self { inner, seen }
    }
}

#[async_trait]
impl SecretStore for WatchedSecrets {
    async fn get(&self, scope: &Scope, reference: &SecretRef) -> Result<Secret> {
        let secret = self.inner.get(scope, reference).await?;
        self.seen.add(&secret).map_err(|error| error.context("secret", reference))?;
        Ok(secret)
    }
}
