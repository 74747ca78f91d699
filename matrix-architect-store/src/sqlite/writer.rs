//! The one connection that writes, and group commit: writes that wait together share a
//! transaction, and so one flush to the disk. Jobs to be created share their statements, too.

use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, Result},
    pipeline::JobRecord,
    time::Timestamp,
    traits::Clock,
};
use sqlx::{Connection as _, SqliteConnection};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
};

use super::{
    create::{self, Create, Told},
    fault::{closed, explain},
};

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
pub(super) struct Writer(mpsc::Sender<Waiting>);

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
        tokio::spawn(Task { connection, path, clock }.serve(inbox));
        Self(sender)
    }

    /// Writes, durably before it returns.
    pub(super) async fn write<W: Write>(&self, write: W) -> Result<W::Answer> {
        let (sender, answer) = oneshot::channel();
        let one = Request { write, outcome: None, sender };
        self.0.send(Waiting::One(Box::new(one))).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Creates jobs, durably before it returns.
    pub(super) async fn create(&self, create: Create) -> Result<Vec<JobRecord>> {
        let (sender, answer) = oneshot::channel();
        let creation = Creation { create, outcome: None, sender };
        self.0.send(Waiting::Creation(creation)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }
}

/// What waits to be written.
enum Waiting {
    /// Those of a group are written together, before the rest of it: nobody was answered yet, so
    /// nobody can tell.
    Creation(Creation),
    One(Box<dyn Answering>),
}

/// Jobs to be created, and who waits for them.
struct Creation {
    create: Create,
    outcome: Option<Result<Vec<Told>>>,
    sender: oneshot::Sender<Result<Vec<JobRecord>>>,
}

impl Waiting {
    fn answer(self) {
        match self {
            Self::Creation(Creation { create, outcome: Some(outcome), sender }) => {
                // Whoever asked may have gone; the jobs stand all the same.
                let _ = sender.send(outcome.map(|told| create.records(told)));
            }
            Self::Creation(_) => {}
            Self::One(one) => one.answer(),
        }
    }

    fn fail(self, error: Error) {
        match self {
            Self::Creation(creation) => {
                let _ = creation.sender.send(Err(error));
            }
            Self::One(one) => one.fail(error),
        }
    }
}

/// A write and who waits for it, whatever it answers.
#[async_trait]
trait Answering: Send {
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
impl<W: Write> Answering for Request<W> {
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

type Group = Vec<Waiting>;

struct Task {
    connection: SqliteConnection,
    path: Arc<Path>,
    clock: Arc<dyn Clock>,
}

impl Task {
    async fn serve(mut self, mut inbox: mpsc::Receiver<Waiting>) {
        let mut group = Group::with_capacity(GROUP);
        while inbox.recv_many(&mut group, GROUP).await > 0 {
            // Who was answered just now often asks again at once. A turn for them costs less than a
            // flush for each.
            yield_now().await;
            while let Some(one) = (group.len() < GROUP).then(|| inbox.try_recv().ok()).flatten() {
                group.push(one);
            }
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

    async fn attempt(&mut self, group: &mut [Waiting]) -> Result<(), sqlx::Error> {
        self.say("begin immediate").await?;
        let mut outcome = self.run_all(group).await;
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

    async fn run_all(&mut self, group: &mut [Waiting]) -> Result<(), sqlx::Error> {
        let (mut creations, mut others) = (Vec::new(), Vec::new());
        for waiting in group {
            match waiting {
                Waiting::Creation(creation) => creations.push(creation),
                Waiting::One(one) => others.push(one),
            }
        }
        if !creations.is_empty() {
            let calls: Vec<_> = creations.iter().map(|creation| &creation.create).collect();
            let told = create::create(&mut self.connection, &calls, self.clock.now()).await?;
            for (creation, told) in creations.into_iter().zip(told) {
                creation.outcome = Some(told);
            }
        }
        for one in others {
            one.run(&mut self.connection, self.clock.now()).await?;
        }
        Ok(())
    }

    async fn say(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        sqlx::query(statement).execute(&mut self.connection).await.map(drop)
    }
}
