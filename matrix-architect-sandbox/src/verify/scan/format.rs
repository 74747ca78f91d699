//! The published format of a kind of secret: fixed text and runs of characters, one after another.

/// Which characters a run is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `0-9 a-f`, in either case.
    Hex,
    /// `A-Z 0-9`.
    Upper,
    /// `A-Z a-z 0-9`.
    Alnum,
    /// `A-Z a-z 0-9 _`.
    Word,
    /// `A-Z a-z 0-9 _ -`, as in URL-safe base 64.
    Url,
    /// `A-Z a-z 0-9 + / =`, as in base 64.
    Base64,
}

impl Class {
    pub(super) const fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='),
        }
    }
}

/// One part of a format.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// This text.
    Text(&'static str),
    /// At least and at most so many characters of a class; as many as there are.
    Run(Class, usize, usize),
}

/// A kind of secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) rule: &'static str,
    pub(super) what: &'static str,
    /// The first one is text: the keyword by which a line is looked at more closely.
    pub(super) parts: &'static [Part],
    /// Whether the runs must look random; not where the text alone is proof.
    pub(super) random: bool,
}

/// The least bits a character of a secret has. 16 random letters and digits have about 3.7, a
/// placeholder such as `xxxxxxxxxxxx` none.
const ENTROPY: f64 = 2.8;

impl Format {
    pub(super) fn keyword(&self) -> &'static str {
        match self.parts.first() {
            Some(Part::Text(text)) => text,
            _ => "",
        }
    }

    /// The end of a secret of this format that begins at `start`.
    pub(super) fn end(&self, line: &[u8], start: usize) -> Option<usize> {
        // In the middle of a word it is something else that happens to contain the keyword.
        if start > 0 && line[start - 1].is_ascii_alphanumeric() {
            return None;
        }
        let mut at = start;
        let mut body = Vec::new();
        let mut last = None;
        for part in self.parts {
            let rest = line.get(at..)?;
            let length = match *part {
                Part::Text(text) => rest.starts_with(text.as_bytes()).then_some(text.len())?,
                Part::Run(class, least, most) => {
                    let run =
                        rest.iter().take(most + 1).take_while(|byte| class.has(**byte)).count();
                    // Longer than it may be: the beginning of something else.
                    (least..=most).contains(&run).then_some(run)?
                }
            };
            if matches!(part, Part::Run(..)) {
                body.extend_from_slice(&rest[..length]);
            }
            last = Some(*part);
            at += length;
        }
        let random = !self.random || super::entropy::bits(&body) >= ENTROPY;
        let placeholder = body.windows(7).any(|window| window.eq_ignore_ascii_case(b"example"));
        (last.is_some() && random && !placeholder).then_some(at)
    }
}
