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
    values: Mutex<Vec<Secret>>,
    count: AtomicUsize,
}

impl SeenSecrets {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// A redactor of all of them.
    pub(crate) fn redactor(&self) -> Redactor {
        let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        Redactor::new(values.iter())
    }

    fn add(&self, secret: &Secret) {
        let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
        if values.iter().all(|known| known.expose() != secret.expose()) {
            values.push(secret.clone());
            self.count.store(values.len(), Ordering::Release);
        }
    }
}

/// A secret store that remembers what it hands out.
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
        self.seen.add(&secret);
        Ok(secret)
    }
}
