//! The forms in which tools print a secret.

use std::fmt::Write as _;

use base64::{
    Engine as _, alphabet,
    engine::{GeneralPurpose, general_purpose::NO_PAD},
};
use zeroize::Zeroizing;

use super::SHORTEST;
use crate::id::hex;

const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, NO_PAD);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, NO_PAD);

/// Lines of base 64 as PEM ([RFC 7468](https://www.rfc-editor.org/rfc/rfc7468)) and MIME
/// ([RFC 2045](https://www.rfc-editor.org/rfc/rfc2045)) break them.
const LINE_WIDTHS: [usize; 2] = [64, 76];

/// The shortest line of a longer secret, or of its base 64, that is a form of its own: shorter
/// ones, such as a brace alone on its line, tell nothing and occur everywhere.
const SHORTEST_LINE: usize = 12;

/// Every form of a secret, each at least [`SHORTEST`] bytes long.
///
/// White space around it is no part of the secret itself, but of what base 64 and hexadecimal
/// were made from, so both values are encoded.
pub(super) fn of(secret: &[u8]) -> Vec<Zeroizing<Vec<u8>>> {
    let trimmed = secret.trim_ascii();
    let mut forms = vec![trimmed.to_vec()];
    forms.extend(lines(trimmed));
    for value in [trimmed, secret] {
        forms.extend(base64(value, &STANDARD));
        forms.extend(base64(value, &URL_SAFE));
    }
    let lower = hex(trimmed);
    forms.push(lower.to_ascii_uppercase().into_bytes());
    forms.push(lower.into_bytes());
    forms.extend(percent(trimmed));
    if let Ok(text) = std::str::from_utf8(trimmed) {
        forms.extend(escaped(text));
    }
    forms.into_iter().filter(|form| form.len() >= SHORTEST).map(Zeroizing::new).collect()
}

/// The lines of a secret that has several, such as a private key; its armour is no secret.
fn lines(secret: &[u8]) -> Vec<Vec<u8>> {
    secret
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| line.len() >= SHORTEST_LINE && !line.starts_with(b"-----"))
        .map(<[u8]>::to_vec)
        .collect()
}

/// The digits that depend on the secret alone, when 0, 1 or 2 bytes stand before it in the group
/// of three that base 64 encodes at once ([RFC 4648](https://www.rfc-editor.org/rfc/rfc4648)).
fn base64(secret: &[u8], alphabet: &GeneralPurpose) -> Vec<Vec<u8>> {
    // (bytes before, leading digits that hold bits of them)
    let mut forms: Vec<Vec<u8>> = [(0, 0), (1, 2), (2, 3)]
        .into_iter()
        .map(|(before, foreign)| {
            let mut group = Zeroizing::new(vec![0; before]);
            group.extend_from_slice(secret);
            let whole = group.len() * 8 / 6;
            alphabet.encode(&group).as_bytes()[foreign..whole].to_vec()
        })
        .collect();
    let unbroken = alphabet.encode(secret);
    // With its last digit, which holds fewer than six bits, when nothing follows.
    forms.push(unbroken.as_bytes().to_vec());
    for width in LINE_WIDTHS.into_iter().filter(|width| unbroken.len() > *width) {
        let lines = unbroken.as_bytes().chunks(width);
        forms.extend(lines.filter(|line| line.len() >= SHORTEST_LINE).map(<[u8]>::to_vec));
    }
    forms
}

/// Percent-encoded as [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-2.1) says, leaving
/// the characters that the usual encoders leave: the unreserved ones; also `/` (Python's `quote`);
/// also `!'()*` (`encodeURIComponent`); also a path's or a query's own delimiters (`encodeURI`);
/// and a form's, where a space is `+`; and none at all.
fn percent(secret: &[u8]) -> Vec<Vec<u8>> {
    const LEFT: [&[u8]; 6] =
        [b"-._~", b"-._~/", b"-._~!'()*", b"-._~!'()*;/?:@&=+$,#", b"-._~!$&'()*+,;=:@", b"-._*"];
    let mut forms = Vec::new();
    for upper in [true, false] {
        let digits = |byte: u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
        forms.push(secret.iter().flat_map(|byte| digits(*byte).into_bytes()).collect());
        for left in LEFT {
            for space in [&b"%20"[..], b"+"] {
                let encoded = secret.iter().flat_map(|byte| match *byte {
                    b' ' => space.to_vec(),
                    plain if plain.is_ascii_alphanumeric() || left.contains(&plain) => vec![plain],
                    other => digits(other).into_bytes(),
                });
                forms.push(encoded.collect());
            }
        }
    }
    forms
}

/// Which characters beside the control ones an encoder of JSON writes as numbers: none, those
/// that are not ASCII (Python), those that HTML gives a meaning (Go), or both (PHP).
const NUMBERED: [fn(char) -> bool; 4] = [
    |_| false,
    |char| !char.is_ascii(),
    |char| matches!(char, '<' | '>' | '&'),
    |char| !char.is_ascii() || matches!(char, '<' | '>' | '&'),
];

/// Escaped as in a JSON string ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259#section-7)) in
/// the spellings of the usual encoders, and as Rust's `Debug` does.
fn escaped(text: &str) -> Vec<Vec<u8>> {
    let mut forms = vec![text.escape_debug().to_string().into_bytes()];
    for numbered in NUMBERED {
        for slash in ["/", "\\/"] {
            let form: String = text.chars().map(|char| json_char(char, numbered, slash)).collect();
            forms.push(form.into_bytes());
        }
    }
    forms
}

fn json_char(char: char, numbered: fn(char) -> bool, slash: &str) -> String {
    match char {
        '"' => "\\\"".to_owned(),
        '\\' => "\\\\".to_owned(),
        '/' => slash.to_owned(),
        '\n' => "\\n".to_owned(),
        '\r' => "\\r".to_owned(),
        '\t' => "\\t".to_owned(),
        '\u{8}' => "\\b".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        other if other.is_control() || numbered(other) => utf16(other),
        plain => plain.to_string(),
    }
}

fn utf16(char: char) -> String {
    char.encode_utf16(&mut [0; 2]).iter().fold(String::new(), |mut text, unit| {
        let _ = write!(text, "\\u{unit:04x}");
        text
    })
}
