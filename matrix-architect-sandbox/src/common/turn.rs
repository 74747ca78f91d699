//! Turns in a session: one command or archive at a time, and none after one that was not finished.

use std::sync::Arc;

use matrix_architect_core::error::{Error, ErrorKind, Result};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// What a session has until it is closed.
pub(crate) trait Held: Send + Sync {
    /// Whether it has it no more.
    fn is_given_up(&self) -> bool;

    /// Closes the session, without waiting for its end.
    fn give_up(&self);
}

/// Waits for the session's turn; until the work is finished, dropping it closes the session.
///
/// # Errors
/// [`closed`], if the session is.
pub(crate) async fn take_turn<T: Send, H: Held>(
    turn: &Arc<Mutex<T>>,
    held: &Arc<H>,
) -> Result<(OwnedMutexGuard<T>, Unfinished<H>)> {
    let turn = Arc::clone(turn).lock_owned().await;
    if held.is_given_up() {
        return Err(closed());
    }
    Ok((turn, Unfinished(Some(Arc::clone(held)))))
}

/// Closes the session unless what it guards came to its end.
#[derive(Debug)]
pub(crate) struct Unfinished<H: Held>(Option<Arc<H>>);

impl<H: Held> Unfinished<H> {
    pub(crate) fn finish(mut self) {
        self.0 = None;
    }
}

impl<H: Held> Drop for Unfinished<H> {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            held.give_up();
        }
    }
}

/// The error for what is asked of a closed session.
pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Unavailable, "the sandbox session is closed")
        .code("session_closed")
        .advice("open another session")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Debug, Default)]
    struct Room(AtomicBool);

    impl Held for Room {
        fn is_given_up(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }

        fn give_up(&self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn what_is_not_finished_closes_the_session() {
        let (turn, room) = (Arc::new(Mutex::new(())), Arc::new(Room::default()));
        let (first, unfinished) = take_turn(&turn, &room).await.unwrap();
        assert!(turn.try_lock().is_err(), "one at a time");
        unfinished.finish();
        drop(first);
        drop(take_turn(&turn, &room).await.unwrap());
        let refused = take_turn(&turn, &room).await.unwrap_err();
        assert_eq!(refused.code_str(), "session_closed");
    }
}
