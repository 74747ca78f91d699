//! Finds our word in a command's output.

use memchr::memmem;

/// Looks through one stream for a word that cannot be guessed, and for what follows it to the end
/// of the line. What comes before it is the command's; what comes after it is nobody's.
#[derive(Debug)]
pub(super) struct Marker {
    word: memmem::Finder<'static>,
    /// The end of what came so far, if the word or its line may begin there.
    kept: Vec<u8>,
    found: bool,
    said: Option<String>,
}

/// What follows the word is a letter and a number.
const LONGEST: usize = 32;

impl Marker {
    pub(super) fn new(word: &str) -> Self {
        let word = format!("{word} ");
        let finder = memmem::Finder::new(word.as_bytes()).into_owned();
        Self { word: finder, kept: Vec::new(), found: false, said: None }
    }

    /// What was said after the word, once it was.
    pub(super) fn said(&self) -> Option<&str> {
        self.said.as_deref()
    }

    /// Takes a piece of the stream and hands on what is certainly the command's.
    pub(super) fn take(&mut self, piece: &[u8], mut pass: impl FnMut(&[u8])) {
        if self.said.is_some() {
            return;
        }
        if self.found {
            return self.listen(piece);
        }
        let joined;
        let bytes = if self.kept.is_empty() {
            piece
        } else {
            joined = [std::mem::take(&mut self.kept).as_slice(), piece].concat();
            &joined
        };
        let Some(at) = self.word.find(bytes) else {
            let (certain, open) = bytes.split_at(bytes.len() - self.begun(bytes));
            pass(certain);
            self.kept = open.to_vec();
            return;
        };
        pass(&bytes[..at]);
        self.found = true;
        let rest = bytes[at + self.word.needle().len()..].to_vec();
        self.listen(&rest);
    }

    /// The stream is at its end: what was held back was the command's.
    pub(super) fn finish(&mut self, mut pass: impl FnMut(&[u8])) {
        if !self.found {
            pass(&std::mem::take(&mut self.kept));
        }
    }

    fn listen(&mut self, piece: &[u8]) {
        self.kept.extend(piece.iter().take(LONGEST));
        if let Some(end) = self.kept.iter().position(|byte| *byte == b'\n') {
            self.said = Some(String::from_utf8_lossy(&self.kept[..end]).into_owned());
        } else if self.kept.len() >= LONGEST {
            self.said = Some(String::new());
        }
    }

    /// How many of the last bytes may be the beginning of the word.
    fn begun(&self, bytes: &[u8]) -> usize {
        let word = self.word.needle();
        let most = bytes.len().min(word.len() - 1);
        (1..=most).rev().find(|count| bytes.ends_with(&word[..*count])).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn through(pieces: &[&[u8]]) -> (Vec<u8>, Option<String>) {
        let mut marker = Marker::new("WOWORD");
        let mut passed = Vec::new();
        for piece in pieces {
            marker.take(piece, |bytes| passed.extend_from_slice(bytes));
        }
        marker.finish(|bytes| passed.extend_from_slice(bytes));
        (passed, marker.said().map(str::to_owned))
    }

    #[test]
    fn output_without_the_word_passes_whole() {
        let (passed, said) = through(&[b"one WOW", b"OWO", b"RD!", b"WOWORD"]);
        assert_eq!((passed.as_slice(), said), (&b"one WOWOWORD!WOWORD"[..], None));
    }

    #[test]
    fn nothing_after_the_word_passes() {
        let (passed, said) = through(&[b"one WOWORD 1", b"39\nWOWORD 0\n", b"two"]);
        assert_eq!((passed.as_slice(), said.as_deref()), (&b"one "[..], Some("139")));
    }

    proptest! {
        #[test]
        fn how_output_is_cut_into_pieces_changes_nothing(
            before in "[WORD ]{0,24}", cuts in prop::collection::vec(0_usize..40, 0..6),
        ) {
            let whole = format!("{before}|WOWORD 7\nafter").into_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(whole.len())).collect();
            cuts.extend([0, whole.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &whole[cut[0]..cut[1]]).collect();
            let (passed, said) = through(&pieces);
            let expected = before.find("WOWORD ").map_or(format!("{before}|"), |at| before[..at].to_owned());
            prop_assert_eq!(passed, expected.into_bytes());
            prop_assert!(said.is_some());
        }
    }
}
