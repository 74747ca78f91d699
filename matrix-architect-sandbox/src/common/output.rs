//! The first and the last of a command's output, within a cap.

use std::collections::VecDeque;

use matrix_architect_core::traits::{Output, OutputStream, OutputSummary};

/// What a run of bytes costs beside its bytes, so that a command that writes single bytes to its
/// two streams in turn cannot make our bookkeeping larger than the cap.
const RUN_COST: u64 = 16;

/// Passes the first half of the cap on at once and keeps the last half for the end.
#[derive(Debug)]
pub(crate) struct Capped {
    head_left: u64,
    tail_cap: u64,
    tail_cost: u64,
    tail: VecDeque<u8>,
    /// Whose the bytes of the tail are, in order.
    runs: VecDeque<(OutputStream, usize)>,
    summary: OutputSummary,
}

impl Capped {
    pub(crate) fn new(cap: u64) -> Self {
        Self {
            head_left: cap - cap / 2,
            tail_cap: cap / 2,
            tail_cost: 0,
            tail: VecDeque::new(),
            runs: VecDeque::new(),
            summary: OutputSummary::default(),
        }
    }

    /// Takes a piece of output.
    pub(crate) fn take(&mut self, stream: OutputStream, bytes: &[u8], output: &mut dyn Output) {
        match stream {
            OutputStream::Stdout => self.summary.stdout += bytes.len() as u64,
            OutputStream::Stderr => self.summary.stderr += bytes.len() as u64,
        }
        let at_once = usize::try_from(self.head_left).unwrap_or(usize::MAX).min(bytes.len());
        let (head, rest) = bytes.split_at(at_once);
        if !head.is_empty() {
            output.write(stream, head);
            self.head_left -= head.len() as u64;
        }
        self.keep(stream, rest);
    }

    fn keep(&mut self, stream: OutputStream, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match self.runs.back_mut() {
            Some((last, length)) if *last == stream => *length += bytes.len(),
            _ => {
                self.runs.push_back((stream, bytes.len()));
                self.tail_cost += RUN_COST;
            }
        }
        self.tail.extend(bytes);
        self.tail_cost += bytes.len() as u64;
        self.trim();
    }

    fn trim(&mut self) {
        while self.tail_cost > self.tail_cap {
            let Some((_, length)) = self.runs.front_mut() else { return };
            let excess = usize::try_from(self.tail_cost - self.tail_cap).unwrap_or(usize::MAX);
            let gone = excess.min(*length);
            *length -= gone;
            if *length == 0 {
                self.runs.pop_front();
                self.tail_cost -= RUN_COST;
            }
            self.tail.drain(..gone);
            self.tail_cost -= gone as u64;
            self.summary.dropped += gone as u64;
        }
    }

    /// Passes the rest on, after a line that says how much is missing before it.
    pub(crate) fn finish(mut self, output: &mut dyn Output) -> OutputSummary {
        if self.summary.dropped > 0 {
            let stream = self.runs.front().map_or(OutputStream::Stdout, |(stream, _)| *stream);
            let line = format!("\n[{} bytes of output dropped]\n", self.summary.dropped);
            output.write(stream, line.as_bytes());
        }
        let tail = self.tail.make_contiguous();
        let mut start = 0;
        for (stream, length) in &self.runs {
            output.write(*stream, &tail[start..start + length]);
            start += length;
        }
        self.summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use OutputStream::{Stderr, Stdout};

    fn through(cap: u64, pieces: &[(OutputStream, &[u8])]) -> (String, OutputSummary) {
        let mut output = Vec::new();
        let mut capped = Capped::new(cap);
        for (stream, bytes) in pieces {
            capped.take(*stream, bytes, &mut output);
        }
        let summary = capped.finish(&mut output);
        (String::from_utf8(output).unwrap(), summary)
    }

    #[test]
    fn output_within_the_cap_is_whole_and_in_order() {
        let (text, summary) =
            through(100, &[(Stdout, b"one "), (Stderr, b"two "), (Stdout, b"three")]);
        assert_eq!(text, "one two three");
        assert_eq!(summary, OutputSummary { stdout: 9, stderr: 4, dropped: 0 });
    }

    #[test]
    fn the_middle_is_dropped_and_counted() {
        let long = [b"a".repeat(50), b"b".repeat(100), b"c".repeat(34)].concat();
        let (text, summary) = through(100, &[(Stdout, &long)]);
        assert_eq!(summary, OutputSummary { stdout: 184, stderr: 0, dropped: 100 });
        let kept = format!("{}\n[100 bytes of output dropped]\n{}", "a".repeat(50), "c".repeat(34));
        assert_eq!(text, kept);
    }

    #[test]
    fn alternating_single_bytes_cost_no_more_than_the_cap() {
        let mut output = Vec::new();
        let mut capped = Capped::new(1000);
        for _ in 0..100_000 {
            capped.take(Stdout, b"o", &mut output);
            capped.take(Stderr, b"e", &mut output);
        }
        assert!(capped.runs.len() <= 500 / 16);
        let summary = capped.finish(&mut output);
        assert_eq!((summary.stdout, summary.stderr), (100_000, 100_000));
        assert!(output.len() < 1100, "{}", output.len());
    }
}
