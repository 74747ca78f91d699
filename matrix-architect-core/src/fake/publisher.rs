//! A place in memory where changes are made public.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;

use super::locked;
use crate::{
    error::{Error, ErrorKind, Result},
    release::Publication,
    traits::{PublishCapabilities, PublishContext, PublishRequest, Publisher},
};

/// A place in memory where changes are made public, one revision a job.
#[derive(Debug, Default)]
pub struct MemoryPublisher {
    published: Mutex<BTreeMap<String, String>>,
    faults: Mutex<Vec<Error>>,
}

impl MemoryPublisher {
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
        PublishCapabilities::new("memory", false)
    }

    async fn publish(
        &self,
        cx: &PublishContext<'_>,
        request: &PublishRequest<'_>,
    ) -> Result<Publication> {
        if let Some(error) = locked(&self.faults).pop() {
            return Err(error);
        }
        if cx.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "publishing was stopped"));
        }
        let revision = request.release.bundle().to_string();
        let mut published = locked(&self.published);
        let key = cx.job.to_string();
        let known = published.insert(key.clone(), revision.clone());
        if known.as_ref().is_some_and(|known| *known != revision) {
            return Err(Error::new(ErrorKind::Conflict, "other content is public already"));
        }
        Ok(Publication {
            driver: "memory".to_owned(),
            uri: format!("memory:{key}"),
            revision,
            changed: known.is_none(),
            at: cx.clock.now(),
        })
    }
}
