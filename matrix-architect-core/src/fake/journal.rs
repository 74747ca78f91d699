//! A journal in memory.

use std::sync::Mutex;

use async_trait::async_trait;

use super::locked;
use crate::{
    error::{Error, ErrorKind, Result},
    id::Digest,
    traits::Journal,
};

#[derive(Debug, Default)]
struct Pages {
    /// In the order they were first intended.
    steps: Vec<(String, Option<Digest>)>,
    lost: bool,
}

/// A journal in memory, whose lease a test can take away.
#[derive(Debug, Default)]
pub struct MemoryJournal(Mutex<Pages>);

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on every call is `Fenced`, as after a lost lease.
    pub fn lose_lease(&self) {
        locked(&self.0).lost = true;
    }

    /// The steps in the order they were first intended, and what came of those that are done.
    pub fn steps(&self) -> Vec<(String, Option<Digest>)> {
        locked(&self.0).steps.clone()
    }

    fn held(&self) -> Result<std::sync::MutexGuard<'_, Pages>> {
        let pages = locked(&self.0);
        if pages.lost {
            return Err(Error::new(ErrorKind::Fenced, "the lease was lost"));
        }
        Ok(pages)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn intend(&self, step: &str) -> Result<Option<Digest>> {
        let mut pages = self.held()?;
        if let Some((_, outcome)) = pages.steps.iter().find(|(name, _)| name == step) {
            return Ok(*outcome);
        }
        pages.steps.push((step.to_owned(), None));
        Ok(None)
    }

    async fn done(&self, step: &str, digest: Digest) -> Result<()> {
        let mut pages = self.held()?;
        let entry = pages.steps.iter_mut().find(|(name, _)| name == step);
        let Some((_, outcome)) = entry else {
            return Err(Error::unexpected("a step is done that nobody intended")
                .context("step", step.to_owned()));
        };
        match outcome {
            Some(first) if *first != digest => {
                Err(Error::new(ErrorKind::AlreadyExists, "the step came out otherwise before")
                    .context("step", step.to_owned()))
            }
            _ => {
                *outcome = Some(digest);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_that_is_done_stays_done() {
        let journal = MemoryJournal::new();
        assert_eq!(journal.intend("switch").await.unwrap(), None);
        assert_eq!(journal.intend("switch").await.unwrap(), None);
        journal.done("switch", Digest::of("new")).await.unwrap();
        assert_eq!(journal.intend("switch").await.unwrap(), Some(Digest::of("new")));
        assert!(journal.done("switch", Digest::of("other")).await.is_err());
        assert!(journal.done("restart", Digest::of("new")).await.is_err());
    }

    #[tokio::test]
    async fn after_a_lost_lease_every_call_is_fenced() {
        let journal = MemoryJournal::new();
        journal.intend("switch").await.unwrap();
        journal.lose_lease();
        assert!(journal.intend("restart").await.unwrap_err().is_fenced());
        assert!(journal.done("switch", Digest::of("new")).await.unwrap_err().is_fenced());
    }
}
