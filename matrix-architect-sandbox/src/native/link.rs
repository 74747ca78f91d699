//! The server's end of the socket to one session.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    time::Duration,
};

use matrix_architect_core::error::{Error, ErrorKind, Result};
use rustix::{
    event::{PollFd, PollFlags, Timespec},
    net::Shutdown,
};
use tokio::io::{Interest, unix::AsyncFd};

use super::{
    sys,
    wire::{self, Reply, Request},
};

/// A session's socket before anybody waits on it asynchronously.
#[derive(Debug)]
pub(super) struct Link {
    socket: OwnedFd,
    patience: Duration,
}

impl Link {
    pub(super) const fn new(socket: OwnedFd, patience: Duration) -> Self {
        Self { socket, patience }
    }

    /// Says what needs no answer.
    pub(super) fn say(&self, request: &Request, with: &[BorrowedFd<'_>]) -> Result<()> {
        wire::send(self.socket.as_fd(), request, with).map_err(lost)
    }

    /// Asks and waits for the answer, blocking the thread.
    pub(super) fn ask(&self, request: &Request, with: &[BorrowedFd<'_>]) -> Result<Reply> {
        self.say(request, with)?;
        self.answer().map(|(reply, _)| reply)
    }

    /// Waits for an answer, blocking the thread.
    pub(super) fn answer(&self) -> Result<(Reply, Vec<OwnedFd>)> {
        let patience = Timespec {
            tv_sec: i64::try_from(self.patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: 0,
        };
        let mut wait = [PollFd::new(&self.socket, PollFlags::IN)];
        match rustix::io::retry_on_intr(|| rustix::event::poll(&mut wait, Some(&patience))) {
            Ok(0) => Err(slow()),
            Ok(_) => wire::receive(self.socket.as_fd()).map_err(lost)?.ok_or_else(ended),
            Err(cause) => Err(lost(cause.into())),
        }
    }

    /// The same, to be waited on by a runtime.
    pub(super) fn into_async(self) -> Result<AsyncLink> {
        let socket = sys::watch(self.socket).map_err(lost)?;
        Ok(AsyncLink { socket, patience: self.patience })
    }
}

/// A session's socket in a runtime.
#[derive(Debug)]
pub(super) struct AsyncLink {
    socket: AsyncFd<OwnedFd>,
    patience: Duration,
}

impl AsyncLink {
    pub(super) async fn send(&self, request: &Request, with: &[BorrowedFd<'_>]) -> Result<()> {
        self.socket
            .async_io(Interest::WRITABLE, |socket| wire::send(socket.as_fd(), request, with))
            .await
            .map_err(lost)
    }

    /// Waits for an answer as long as it takes.
    pub(super) async fn answer(&self) -> Result<(Reply, Vec<OwnedFd>)> {
        let received =
            self.socket.async_io(Interest::READABLE, |socket| wire::receive(socket.as_fd())).await;
        received.map_err(lost)?.ok_or_else(ended)
    }

    /// Waits for an answer that should come at once.
    pub(super) async fn prompt_answer(&self) -> Result<(Reply, Vec<OwnedFd>)> {
        tokio::time::timeout(self.patience, self.answer()).await.map_err(|_| slow())?
    }

    /// Gives the session up: its first process sees the end of the socket and takes all with it.
    pub(super) fn cut(&self) {
        let _ = rustix::net::shutdown(self.socket.get_ref(), Shutdown::Both);
    }
}

fn lost(cause: io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, "the connection to the sandbox session broke").source(cause)
}

pub(super) fn ended() -> Error {
    Error::new(ErrorKind::Unavailable, "the sandbox session ended unexpectedly")
        .advice("open another session; the machine may be short of memory")
}

fn slow() -> Error {
    Error::new(ErrorKind::Unavailable, "the sandbox session does not answer")
        .advice("the machine is overloaded; run fewer sessions at once")
}
