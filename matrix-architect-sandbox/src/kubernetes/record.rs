//! The records of our script among the output of a command.

const START: u8 = 0x1e;
const END: u8 = 0x1d;
/// No record is longer.
const LONGEST: usize = 4096;

/// Takes records out of a stream of bytes that comes in pieces.
#[derive(Debug)]
pub(super) struct Records {
    mark: Vec<u8>,
    /// What may be the beginning of a record.
    held: Vec<u8>,
    found: Vec<String>,
}

impl Records {
    pub(super) fn new(nonce: &str) -> Self {
        let mark = [&[START], nonce.as_bytes(), b" "].concat();
        Self { mark, held: Vec::new(), found: Vec::new() }
    }

    /// Passes on what is no record.
    pub(super) fn take(&mut self, bytes: &[u8], mut pass: impl FnMut(&[u8])) {
        self.held.extend_from_slice(bytes);
        loop {
            let start = self.start();
            if start > 0 {
                pass(&self.held[..start]);
                self.held.drain(..start);
            }
            if self.held.len() <= self.mark.len() {
                return;
            }
            let Some(end) = self.held.iter().position(|byte| *byte == END) else {
                if self.held.len() > LONGEST {
                    pass(&std::mem::take(&mut self.held));
                }
                return;
            };
            let record = String::from_utf8_lossy(&self.held[self.mark.len()..end]).into_owned();
            self.found.push(record);
            self.held.drain(..=end);
        }
    }

    /// Where a record begins or may begin, else the end.
    fn start(&self) -> usize {
        let may_begin = |at: &usize| {
            let rest = &self.held[*at..];
            let length = rest.len().min(self.mark.len());
            rest[..length] == self.mark[..length]
        };
        (0..self.held.len())
            .filter(|at| self.held[*at] == START)
            .find(may_begin)
            .unwrap_or(self.held.len())
    }

    /// What was told, after the stream's end; what began and did not end is output.
    pub(super) fn finish(self, pass: impl FnOnce(&[u8])) -> Vec<String> {
        if !self.held.is_empty() {
            pass(&self.held);
        }
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(pieces: &[&[u8]]) -> (Vec<u8>, Vec<String>) {
        let mut passed = Vec::new();
        let mut records = Records::new("n0");
        for piece in pieces {
            records.take(piece, |bytes| passed.extend_from_slice(bytes));
        }
        let found = records.finish(|bytes| passed.extend_from_slice(bytes));
        (passed, found)
    }

    #[test]
    fn records_are_taken_out_wherever_pieces_end() {
        let stream = b"one\x1en0 code=1\x1dtwo\x1e\x1en1 not ours\x1d\x1en0 times a\nb\x1dend\x1e";
        let wanted = b"onetwo\x1e\x1en1 not ours\x1dend\x1e".to_vec();
        for size in 1..stream.len() {
            let pieces: Vec<_> = stream.chunks(size).collect();
            let (passed, found) = through(&pieces);
            assert_eq!(passed, wanted, "in pieces of {size}");
            assert_eq!(found, ["code=1", "times a\nb"]);
        }
    }

    #[test]
    fn a_record_without_end_is_output() {
        let long = [b"\x1en0 ".to_vec(), vec![b'x'; 5000]].concat();
        assert_eq!(through(&[&long, b"more"]).0.len(), long.len() + 4);
    }
}
