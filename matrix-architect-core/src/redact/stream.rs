//! Redacting bytes that come in pieces.

use std::{fmt, mem};

use aho_corasick::{
    Anchored,
    automaton::{Automaton as _, StateID},
};

use super::{MARKER, Patterns, Redactor};

/// Redacts bytes that come in pieces, so that a secret is found wherever the pieces were cut: the
/// output is that of [`Redactor::redact`] of all pieces together.
///
/// It holds back only bytes that may be the beginning of a secret, never more than
/// [`Redactor::holds_back`], and gives them out with the next piece or at [`finish`](Self::finish).
///
/// ```
/// use matrix_architect_core::{redact::Redactor, secret::Secret};
///
/// let mut stream = Redactor::new([&Secret::new("hunter2-hunter2")])?.stream();
/// assert_eq!(stream.push(b"password: hunter"), b"password: ");
/// assert_eq!(stream.push(b"2-hunter2\n"), b"[redacted]\n");
/// assert_eq!(stream.finish(), b"");
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// ```
pub struct RedactStream {
    redactor: Redactor,
    state: Option<StateID>,
    /// Bytes of which it is not known yet whether they belong to a secret.
    held: Vec<u8>,
    /// Which of them do, as disjoint ranges in order.
    secret: Vec<(usize, usize)>,
    /// Whether the last byte given out belonged to one, so that its marker stands already.
    marked: bool,
}

impl RedactStream {
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, state: None, held: Vec::new(), secret: Vec::new(), marked: false }
    }

    /// Takes a piece and gives out what is known to be clean.
    #[must_use = "what is given out is not given out again"]
    pub fn push(&mut self, piece: &[u8]) -> Vec<u8> {
        let Some(patterns) = self.redactor.0.clone() else {
            return piece.to_vec();
        };
        let known = self.read(&patterns, piece);
        self.give_out(known)
    }

    /// Gives out what was held back. The stream may then be used anew.
    #[must_use = "what is given out is not given out again"]
    pub fn finish(&mut self) -> Vec<u8> {
        self.state = None;
        let rest = self.give_out(self.held.len());
        self.marked = false;
        rest
    }

    /// How many bytes are held back now.
    pub const fn held(&self) -> usize {
        self.held.len()
    }

    /// Reads a piece and returns how many of the held bytes are decided.
    fn read(&mut self, patterns: &Patterns, piece: &[u8]) -> usize {
        let automaton = &patterns.automaton;
        let Ok(root) = automaton.start_state(Anchored::No) else {
            // The automaton was built for unanchored searches. Nothing is safer than to give out
            // nothing.
            return 0;
        };
        let mut state = self.state.unwrap_or(root);
        let mut known = 0;
        let before = self.held.len();
        self.held.extend_from_slice(piece);
        for (end, byte) in (before + 1..).zip(piece) {
            state = automaton.next_state(Anchored::No, state, *byte);
            if state == root {
                // No secret can have begun: all up to here is decided.
                known = end;
            } else if automaton.is_match(state) {
                let longest = (0..automaton.match_len(state))
                    .map(|index| automaton.pattern_len(automaton.match_pattern(state, index)))
                    .max();
                self.mark(end, longest.unwrap_or(0));
            }
        }
        self.state = Some(state);
        known.max(self.held.len().saturating_sub(automaton.max_pattern_len() - 1))
    }

    /// Notes that `length` held bytes before `end` belong to a secret.
    fn mark(&mut self, end: usize, length: usize) {
        let mut start = end.saturating_sub(length);
        while let Some((earlier, _)) = self.secret.pop_if(|(_, until)| *until >= start) {
            start = start.min(earlier);
        }
        self.secret.push((start, end));
    }

    /// Gives out the first `count` held bytes, with the marker in place of secrets.
    fn give_out(&mut self, count: usize) -> Vec<u8> {
        let mut clean = Vec::with_capacity(count + MARKER.len());
        let mut from = 0;
        let mut later = Vec::new();
        for (start, end) in mem::take(&mut self.secret) {
            if start < count {
                if start > from || !self.marked {
                    clean.extend_from_slice(&self.held[from..start]);
                    clean.extend_from_slice(MARKER.as_bytes());
                }
                self.marked = true;
                from = end.min(count);
            }
            if end > count {
                later.push((start.saturating_sub(count), end - count));
            }
        }
        if from < count {
            clean.extend_from_slice(&self.held[from..count]);
            self.marked = false;
        }
        self.held.drain(..count);
        self.secret = later;
        clean
    }
}

impl fmt::Debug for RedactStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedactStream").field("held", &self.held.len()).finish_non_exhaustive()
    }
}
