//! Remembering which secrets a job was handed, so that none of them is ever shown.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;

use crate::{
    error::Result,
    redact::Redactor,
    release::{Publication, Release},
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

    /// What a deployer says of a release, fit to be shown. What it is undone by stays as it is.
    pub(crate) fn redact_release(&self, release: &mut Release) {
        let redactor = self.redactor();
        let health = release.health.iter_mut();
        let said = health.flat_map(|health| health.version.iter_mut().chain([&mut health.detail]));
        for text in said.chain(&mut release.uri) {
            *text = redactor.redact_str(text);
        }
    }

    /// What a publisher says of a publication, fit to be shown.
    pub(crate) fn redact_publication(&self, publication: &mut Publication) {
        publication.uri = self.redactor().redact_str(&publication.uri);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        release::{Fencing, Health, HealthStatus, ReleaseRef},
        time::Timestamp,
    };

    #[test]
    fn what_a_driver_says_is_shown_without_the_secrets_it_was_handed() {
        let seen = SeenSecrets::default();
        seen.add(&Secret::new("hunter2-hunter2")).unwrap();
        let mut release = Release {
            reference: ReleaseRef {
                driver: "own".to_owned(),
                environment: "staging".to_owned(),
                service: "web".to_owned(),
                version: "1".to_owned(),
            },
            previous: None,
            changed: true,
            uri: Some("https://u:hunter2-hunter2@host/".to_owned()),
            fencing: Fencing::default(),
            health: Some(Health {
                status: HealthStatus::Healthy,
                version: Some("hunter2-hunter2".to_owned()),
                detail: "connected with hunter2-hunter2".to_owned(),
                at: Timestamp::default(),
            }),
            at: Timestamp::default(),
        };
        seen.redact_release(&mut release);
        let told = serde_json::to_string(&release).unwrap();
        assert!(!told.contains("hunter2") && told.contains("connected with "), "{told}");
        let mut publication = Publication {
            driver: "own".to_owned(),
            uri: "https://hunter2-hunter2@host/".to_owned(),
            revision: "1".to_owned(),
            changed: true,
            at: Timestamp::default(),
        };
        seen.redact_publication(&mut publication);
        assert!(!publication.uri.contains("hunter2"), "{publication:?}");
    }
}
