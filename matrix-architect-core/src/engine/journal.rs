//! The journal of a job: its own fenced events.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::writer::Writer;
use crate::{
    error::Result,
    event::Event,
    id::Digest,
    traits::{Journal, Store},
};

/// How many events of a history are read at once.
const PAGE: usize = 500;

/// The journal of a job. What an earlier worker did is read back from the job's history.
#[derive(Debug)]
pub(crate) struct JobJournal<'a> {
    writer: &'a Writer,
    done: Mutex<BTreeMap<String, Digest>>,
}

impl<'a> JobJournal<'a> {
    pub(crate) async fn open(writer: &'a Writer, store: &Arc<dyn Store>) -> Result<Self> {
        let mut done = BTreeMap::new();
        let mut after = 0;
        loop {
            let page = store.history(&writer.job, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.seq;
            for envelope in page {
                match envelope.event {
                    Event::StepDone { step, digest } => {
                        done.insert(step, digest);
                    }
                    // What an earlier generation did says nothing about this one.
                    Event::Replanned { .. } => done.clear(),
                    _ => {}
                }
            }
        }
        Ok(Self { writer, done: Mutex::new(done) })
    }
}

#[async_trait]
impl Journal for JobJournal<'_> {
    async fn intend(&self, step: &str) -> Result<Option<Digest>> {
        if let Some(digest) = self.done.lock().await.get(step) {
            return Ok(Some(*digest));
        }
        self.writer.commit(vec![Event::StepIntended { step: step.to_owned() }], Vec::new()).await?;
        Ok(None)
    }

    async fn done(&self, step: &str, digest: Digest) -> Result<()> {
        let event = Event::StepDone { step: step.to_owned(), digest };
        self.writer.commit(vec![event], Vec::new()).await?;
        self.done.lock().await.insert(step.to_owned(), digest);
        Ok(())
    }
}
