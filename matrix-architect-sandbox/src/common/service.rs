//! What is known of services in every sandbox: what of their output is kept, and what is said of
//! those that did not become ready.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use matrix_architect_core::{
    error::{Error, ErrorKind},
    traits::{ExitVerdict, Service},
};

/// How much of a service's output is kept.
pub(crate) const KEPT: usize = 64 << 10;

/// How much of it an error tells.
const TOLD: usize = 2 << 10;

/// Between two looks at whether a service is ready: from the first to the most.
pub(crate) const PAUSES: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_millis(200));

/// The end of what a service wrote.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<VecDeque<u8>>);

impl Tail {
    /// Takes what it writes.
    pub(crate) fn take(&self, piece: &[u8]) {
        let piece = &piece[piece.len().saturating_sub(KEPT)..];
        let mut tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let too_many = (tail.len() + piece.len()).saturating_sub(KEPT).min(tail.len());
        tail.drain(..too_many);
        tail.extend(piece);
    }

    /// All that is kept.
    pub(crate) fn kept(&self) -> Vec<u8> {
        self.last(KEPT)
    }

    fn last(&self, most: usize) -> Vec<u8> {
        let tail = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tail.iter().skip(tail.len().saturating_sub(most)).copied().collect()
    }

    /// Adds to an error what the service said last.
    pub(crate) fn tell(&self, error: Error) -> Error {
        let words = String::from_utf8_lossy(&self.last(TOLD)).trim().to_owned();
        if words.is_empty() { error } else { error.context("output", words) }
    }
}

/// Of two services of one name.
pub(crate) fn name_is_taken(service: &Service) -> Error {
    Error::invalid("a service of this name was started in the session already")
        .context("service", &service.name)
}

/// Of a service that could not be told from what listens already.
pub(crate) fn port_is_taken(service: &Service, port: u16) -> Error {
    Error::invalid("something in the session listens on the service's port already")
        .context("service", &service.name)
        .context("port", port)
        .advice("give each service a port of its own")
}

/// Of a service whose start is not wanted any more.
pub(crate) fn start_was_cancelled() -> Error {
    Error::new(ErrorKind::Cancelled, "the service's start was stopped")
}

/// Of a service that was over before it was ready.
pub(crate) fn ended_early(service: &Service, verdict: ExitVerdict) -> Error {
    not_ready(service, "the service ended before it was ready")
        .context("ended", told(verdict))
        .advice("run it in the foreground: it is over when its first process ends")
}

/// Of a service that ran out of patience; `answer` is what the readiness command said last.
pub(crate) fn too_late(service: &Service, answer: &[u8]) -> Error {
    let error = not_ready(service, "the service did not become ready in time")
        .context("seconds", service.patience.as_secs_f64())
        .advice("give it more time, or correct how it is known to be ready");
    let answer = String::from_utf8_lossy(&answer[answer.len().saturating_sub(TOLD)..]);
    match answer.trim() {
        "" => error,
        answer => error.context("readiness", answer),
    }
}

/// Of a kind of readiness that is younger than the sandbox.
pub(crate) fn unknown_readiness() -> Error {
    Error::unexpected("a kind of readiness that is not known here")
}

fn not_ready(service: &Service, why: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, why)
        .code("service_not_ready")
        .context("service", &service.name)
}

/// A verdict in words.
fn told(verdict: ExitVerdict) -> String {
    match verdict {
        ExitVerdict::Exited(code) => format!("exit code {code}"),
        ExitVerdict::Signalled(signal) => format!("killed by signal {signal}"),
        other => format!("{other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept_however_much_comes_at_once() {
        let tail = Tail::default();
        tail.take(b"begin");
        tail.take(&vec![b'x'; KEPT - 3]);
        assert!(tail.kept().starts_with(b"ginx"));
        assert_eq!(tail.kept().len(), KEPT);
        tail.take(&[vec![b'y'; 2 * KEPT], b"end".to_vec()].concat());
        assert_eq!(tail.kept().len(), KEPT);
        assert!(tail.kept().ends_with(b"yend"));
    }
}
