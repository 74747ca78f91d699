//! Header fields, read strictly and passed on selectively (RFC 9110, section 7.6; RFC 9112).

use super::body::Framing;

/// More fields than any client needs.
const MAX_FIELDS: usize = 128;

/// Fields that are between two neighbours and end with them.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Why a head is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

/// The fields of a message in their order; names in lower case, values as bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    /// Reads lines without their ends.
    pub(super) fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Result<Self, Malformed> {
        let mut fields = Vec::new();
        for line in lines {
            if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
                return Err(Malformed("a header field is folded over two lines"));
            }
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) =
                line.split_at(colon.ok_or(Malformed("a header field has no colon"))?);
            if name.is_empty() || !name.iter().copied().all(is_token) {
                return Err(Malformed("a header field's name is not a word"));
            }
            let value = value[1..].trim_ascii();
            if value.iter().any(|byte| (*byte < b' ' && *byte != b'\t') || *byte == 0x7f) {
                return Err(Malformed("a header field holds a control character"));
            }
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            fields.push((name, value.to_vec()));
            if fields.len() > MAX_FIELDS {
                return Err(Malformed("there are too many header fields"));
            }
        }
        Ok(Self(fields))
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        self.0.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_slice())
    }

    /// The one field of that name.
    pub(super) fn only(&self, name: &'static str) -> Result<Option<&[u8]>, Malformed> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (value, None) => Ok(value),
            _ => Err(Malformed("a header field that decides something comes twice")),
        }
    }

    /// How the body ends, if the fields say so. Two answers are none: that is how requests are
    /// smuggled past whoever reads the other one.
    pub(super) fn framing(&self) -> Result<Option<Framing>, Malformed> {
        let coding = self.only("transfer-encoding")?;
        let length = self.only("content-length")?;
        match (coding, length) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Malformed("the body has a length and a transfer coding")),
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => {
                Ok(Some(Framing::Chunked))
            }
            (Some(_), None) => Err(Malformed("the body's transfer coding is not 'chunked'")),
            (None, Some(length)) => {
                let wrong = Malformed("the body's length is not a number");
                let digits =
                    (1..=19).contains(&length.len()) && length.iter().all(u8::is_ascii_digit);
                let text = std::str::from_utf8(length).ok().filter(|_| digits).ok_or(wrong)?;
                Ok(Some(Framing::Length(text.parse().map_err(|_| wrong)?)))
            }
        }
    }

    /// Writes the fields that may be passed on, without those that the writer sets anew.
    pub(super) fn pass_on(&self, set_anew: &[&str], to: &mut Vec<u8>) {
        let connection: Vec<String> = self
            .all("connection")
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(|word| String::from_utf8_lossy(word.trim_ascii()).to_ascii_lowercase())
            .collect();
        for (name, value) in &self.0 {
            let stays = HOP_BY_HOP.contains(&name.as_str())
                || set_anew.contains(&name.as_str())
                || connection.contains(name);
            if !stays {
                to.extend_from_slice(name.as_bytes());
                to.extend_from_slice(b": ");
                to.extend_from_slice(value);
                to.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// A character of a word (RFC 9110, section 5.6.2).
pub(super) const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~'
        )
}
