//! The one connection that writes, and group commit: writes that wait together share a
//! transaction, and so one flush to the disk.

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, Result},
    time::Timestamp,
    traits::Clock,
};
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

use super::fault::{closed, explain};

/// Writes that wait together, at most.
const GROUP: usize = 256;

/// Why a write was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// A rule forbids it. Nothing of it was written, so the rest of its group goes on.
    Refused(Error),
    /// The database failed. The whole group is undone.
    Broken(sqlx::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Broken(error)
    }
}

/// What a write comes to.
pub(super) type Outcome<T> = Result<T, Failure>;

/// A write: it looks and decides first, and writes only what it will not take back.
#[async_trait]
pub(super) trait Write: Send + Sync + 'static {
    /// What the caller is told once the write is durable.
    type Answer: Send + 'static;

    /// Writes, within a transaction that others may share. It may be called again after the
    /// transaction was undone.
    async fn write(&self, tx: &mut SqliteConnection, now: Timestamp) -> Outcome<Self::Answer>;
}

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Writer(mpsc::Sender<Box<dyn Waiting>>);

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer(..)")
    }
}

impl Writer {
    /// Starts the task that writes. It ends when the last way to it is gone.
    pub(super) fn start(
        connection: SqliteConnection,
        path: Arc<Path>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (sender, inbox) = mpsc::channel(GROUP);
        tokio::spawn(Task { connection, path, clock }.run(inbox));
        Self(sender)
    }

    /// Writes, durably before it returns.
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Answer> {
        let (sender, answer) = oneshot::channel();
        let waiting = Request { write, outcome: None, sender };
        self.0.send(Box::new(waiting)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// A write and who waits for it, whatever it answers.
#[async_trait]
trait Waiting: Send {
    /// Writes; an error means that the transaction must be undone.
    async fn run(&mut self, tx: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error>;
    /// Tells what came of it, once it is durable.
    fn answer(self: Box<Self>);
    /// Tells that it was not done.
    fn fail(self: Box<Self>, error: Error);
}

struct Request<W: Write> {
    write: W,
    outcome: Option<Result<W::Answer>>,
    sender: oneshot::Sender<Result<W::Answer>>,
}

#[async_trait]
impl<W: Write> Waiting for Request<W> {
    async fn run(&mut self, tx: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
        self.outcome = match self.write.write(tx, now).await {
            Ok(answer) => Some(Ok(answer)),
            Err(Failure::Refused(error)) => Some(Err(error)),
            Err(Failure::Broken(error)) => return Err(error),
        };
        Ok(())
    }

    fn answer(self: Box<Self>) {
        if let Some(outcome) = self.outcome {
            // Whoever asked may have gone; the write stands all the same.
            let _ = self.sender.send(outcome);
        }
    }

    fn fail(self: Box<Self>, error: Error) {
        let _ = self.sender.send(Err(error));
    }
}

type Group = Vec<Box<dyn Waiting>>;

struct Task {
    connection: SqliteConnection,
    path: Arc<Path>,
    clock: Arc<dyn Clock>,
}

impl Task {
    async fn run(mut self, mut inbox: mpsc::Receiver<Box<dyn Waiting>>) {
        let mut group = Group::with_capacity(GROUP);
        while inbox.recv_many(&mut group, GROUP).await > 0 {
            self.settle(&mut group).await;
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(error = %error, "the database was not closed cleanly");
        }
    }

    /// Writes a group. If the database fails, each of its writes gets a transaction of its own, so
    /// that one that cannot be written does not fail the others.
    async fn settle(&mut self, group: &mut Group) {
        let Err(error) = self.attempt(group).await else {
            return group.drain(..).for_each(Waiting::answer);
        };
        if group.len() == 1 || super::fault::is_busy(&error) {
            return group.drain(..).for_each(|one| one.fail(explain(&self.path, &error)));
        }
        for mut one in group.drain(..) {
            match self.attempt(std::slice::from_mut(&mut one)).await {
                Ok(()) => one.answer(),
                Err(error) => one.fail(explain(&self.path, &error)),
            }
        }
    }

    async fn attempt(&mut self, group: &mut [Box<dyn Waiting>]) -> Result<(), sqlx::Error> {
        self.say("begin immediate").await?;
        let mut outcome = Ok(());
        for one in group {
            outcome = one.run(&mut self.connection, self.clock.now()).await;
            if outcome.is_err() {
                break;
            }
        }
        if outcome.is_ok() {
            outcome = self.say("commit").await;
        }
        if outcome.is_err() {
            // After some faults, a full disk among them, SQLite has undone the transaction itself
            // and refuses to do it again. That is why the statements are spelt out here: the
            // library's transaction would count itself as open for ever after.
            let _ = self.say("rollback").await;
        }
        outcome
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(statement).execute(&mut self.connection).await.map(drop)
    }
}
