//! A place in memory where changes are made public.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use serde_json::Value;

use super::locked;
use crate::{
    error::{Error, ErrorKind, Result},
    job::Job,
    release::Publication,
    traits::{PublishCapabilities, PublishContext, PublishRequest, Publisher},
};

/// A place in memory where changes are made public, one revision a job. Its setting `from` names the
/// only branch whose changes it takes.
#[derive(Debug)]
pub struct MemoryPublisher {
    name: &'static str,
    takes: Duration,
    notes: bool,
    published: Mutex<BTreeMap<String, String>>,
    faults: Mutex<Vec<Error>>,
}

impl Default for MemoryPublisher {
    fn default() -> Self {
        Self::named("memory")
    }
}

impl MemoryPublisher {
    /// A place under this driver's name; `memory` by default.
    pub fn named(name: &'static str) -> Self {
        let (published, faults) = (Mutex::default(), Mutex::default());
        Self { name, takes: Duration::ZERO, notes: false, published, faults }
    }

    /// Takes that long to reach, unless it is stopped.
    #[must_use]
    pub const fn taking(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    /// Writes what it does into the job's journal, before and after.
    #[must_use]
    pub const fn noting(mut self) -> Self {
        self.notes = true;
        self
    }

    /// Meets this error the next time.
    pub fn fail_once(&self, error: Error) {
        locked(&self.faults).push(error);
    }

    /// What is public, by job.
    pub fn published(&self) -> BTreeMap<String, String> {
        locked(&self.published).clone()
    }
}

#[async_trait]
impl Publisher for MemoryPublisher {
    fn capabilities(&self) -> PublishCapabilities {
        PublishCapabilities::new(self.name, false)
    }

    fn check(&self, config: &BTreeMap<String, Value>, job: Option<&Job>) -> Result<()> {
        super::only_known(config, &["driver", "from"])?;
        let Some(wanted) = config.get("from").and_then(Value::as_str) else { return Ok(()) };
        let base = job.and_then(|job| job.base.as_ref());
        if base.is_none_or(|base| base.branch.as_deref() == Some(wanted)) {
            return Ok(());
        }
        Err(Error::invalid("the change is for another branch").context("field", "from"))
    }

    async fn publish(
        &self,
        cx: &PublishContext<'_>,
        request: &PublishRequest<'_>,
    ) -> Result<Publication> {
        self.check(request.config, Some(request.job))?;
        if let Some(error) = locked(&self.faults).pop() {
            return Err(error);
        }
        tokio::select! {
            biased;
            () = cx.cancel.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "publishing was stopped"));
            }
            () = tokio::time::sleep(self.takes) => {}
        }
        if self.notes {
            cx.journal.intend(self.name).await?;
            cx.journal.done(self.name, *request.release.bundle()).await?;
        }
        let revision = request.release.bundle().to_string();
        let mut published = locked(&self.published);
        let key = cx.job.to_string();
        let known = published.insert(key.clone(), revision.clone());
        if known.as_ref().is_some_and(|known| *known != revision) {
            return Err(Error::new(ErrorKind::Conflict, "other content is public already"));
        }
        Ok(Publication {
            driver: self.name.to_owned(),
            uri: format!("{}:{key}", self.name),
            revision,
            changed: known.is_none(),
            at: cx.clock.now(),
        })
    }
}
