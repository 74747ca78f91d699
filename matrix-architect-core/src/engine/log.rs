//! A stage's output on its way to whoever watches: redacted, in order, and never in the way.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::join_all;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
};

use super::{secrets::SeenSecrets, writer::Writer};
use crate::{
    error::Result,
    redact::RedactStream,
    tenant::JobRef,
    traits::{Fence, LogId, LogSink, LogStore},
};

/// Bytes that may wait to be stored; beyond it they are dropped and counted.
const BACKLOG: usize = 32 << 20;
/// Bytes of one append.
const CHUNK: usize = 64 << 10;
/// How long a byte waits for company.
const LINGER: Duration = Duration::from_millis(30);

/// Seals every log of a job that has ended. A log that cannot be sealed is still readable.
pub(super) async fn seal_all(logs: &dyn LogStore, job: &JobRef, fence: Fence) {
    let names = logs.list(job).await.unwrap_or_default();
    // Together, so that a store may make them durable together.
    let seal = async |name| {
        let log = LogId { job: job.clone(), name };
        if let Err(error) = logs.seal(&log, fence).await {
            tracing::warn!(log = %log.name, %error, "a log could not be sealed");
        }
    };
    join_all(names.into_iter().map(seal)).await;
}

/// A stage's log. Writing never blocks and never fails: the log is not worth a job.
pub(crate) struct StageLog {
    sender: mpsc::UnboundedSender<Entry>,
    backlog: Arc<AtomicUsize>,
    dropped: AtomicUsize,
    task: JoinHandle<()>,
}

enum Entry {
    Bytes(Vec<u8>),
    Flush(oneshot::Sender<()>),
}

impl StageLog {
    /// Opens the log `name` at its end.
    pub(crate) async fn open(
        store: Arc<dyn LogStore>,
        writer: &Writer,
        name: &str,
        secrets: Arc<SeenSecrets>,
    ) -> Result<Self> {
        let log = LogId { job: writer.job.clone(), name: name.to_owned() };
        let end = store.read(&log, 0..0).await?.end;
        let (sender, receiver) = mpsc::unbounded_channel();
        let backlog = Arc::new(AtomicUsize::new(0));
        let tail = Tail { store, log, fence: writer.fence, end, backlog: Arc::clone(&backlog) };
        let task = tokio::spawn(tail.run(receiver, secrets));
        Ok(Self { sender, backlog, dropped: AtomicUsize::new(0), task })
    }

    /// Adds bytes.
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        if self.backlog.load(Ordering::Relaxed) + bytes.len() > BACKLOG {
            self.dropped.fetch_add(bytes.len(), Ordering::Relaxed);
            return;
        }
        self.backlog.fetch_add(bytes.len(), Ordering::Relaxed);
        // The receiver is gone only after the lease is lost; nobody reads the rest then.
        let _ = self.sender.send(Entry::Bytes(bytes.to_vec()));
    }

    /// Waits until everything so far is stored, or cannot be.
    pub(crate) async fn flush(&self) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            let _ = self.sender.send(Entry::Bytes(
                format!("[{dropped} bytes of output came faster than they could be stored]\n")
                    .into_bytes(),
            ));
        }
        let (sender, receiver) = oneshot::channel();
        if self.sender.send(Entry::Flush(sender)).is_ok() {
            let _ = receiver.await;
        }
    }
}

impl LogSink for StageLog {
    fn line(&self, line: &str) {
        self.bytes(format!("{line}\n").as_bytes());
    }
}

impl fmt::Debug for StageLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StageLog(..)")
    }
}

impl Drop for StageLog {
    fn drop(&mut self) {
        // Normally drained by `flush`; after a lost lease there is nothing to wait for.
        if self.backlog.load(Ordering::Relaxed) > 0 {
            self.task.abort();
        }
    }
}

/// Bytes on their way through the redactor.
struct Clean {
    secrets: Arc<SeenSecrets>,
    known: usize,
    stream: RedactStream,
    ready: Vec<u8>,
}

impl Clean {
    fn new(secrets: Arc<SeenSecrets>) -> Self {
        let known = secrets.count();
        let stream = secrets.redactor().stream();
        Self { secrets, known, stream, ready: Vec::new() }
    }

    fn push(&mut self, bytes: &[u8]) {
        if self.secrets.count() != self.known {
            self.known = self.secrets.count();
            // What was held back may still become a secret: the new stream gets it first.
            let held = self.stream.finish();
            self.stream = self.secrets.redactor().stream();
            self.ready.extend(self.stream.push(&held));
        }
        self.ready.extend(self.stream.push(bytes));
    }

    fn finish(&mut self) {
        self.ready.extend(self.stream.finish());
    }
}

/// The far end: redacts, gathers and appends.
struct Tail {
    store: Arc<dyn LogStore>,
    log: LogId,
    fence: Fence,
    end: u64,
    backlog: Arc<AtomicUsize>,
}

impl Tail {
    async fn run(mut self, mut entries: mpsc::UnboundedReceiver<Entry>, secrets: Arc<SeenSecrets>) {
        let mut clean = Clean::new(secrets);
        while let Some(entry) = entries.recv().await {
            let mut flushed = None;
            let mut next = Some(entry);
            while let Some(entry) = next {
                match entry {
                    Entry::Bytes(bytes) => {
                        self.backlog.fetch_sub(bytes.len(), Ordering::Relaxed);
                        clean.push(&bytes);
                    }
                    Entry::Flush(sender) => {
                        clean.finish();
                        flushed = Some(sender);
                        break;
                    }
                }
                if clean.ready.len() >= CHUNK {
                    break;
                }
                next = tokio::time::timeout(LINGER, entries.recv()).await.unwrap_or(None);
            }
            if !self.store_all(&mut clean.ready).await {
                return;
            }
            if let Some(sender) = flushed {
                // Whoever flushed may have stopped waiting.
                let _ = sender.send(());
            }
        }
        clean.finish();
        self.store_all(&mut clean.ready).await;
    }

    /// Appends what is pending. Returns whether the log can still be written.
    async fn store_all(&mut self, pending: &mut Vec<u8>) -> bool {
        if pending.is_empty() {
            return true;
        }
        let bytes = Bytes::from(std::mem::take(pending));
        let mut pause = Duration::from_millis(50);
        for _ in 0..4 {
            match self.store.append(&self.log, self.fence, self.end, bytes.clone()).await {
                Ok(end) => {
                    self.end = end;
                    return true;
                }
                Err(error) if error.is_retryable() => {
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) => {
                    tracing::warn!(log = %self.log.name, %error, "a log could not be written");
                    return false;
                }
            }
        }
        tracing::warn!(log = %self.log.name, "output was lost: the log store does not answer");
        true
    }
}
