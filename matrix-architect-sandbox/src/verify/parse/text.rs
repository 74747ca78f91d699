//! Text of terminals: without colours, shortened for people.

use matrix_architect_core::evidence::Finding;

/// The most characters a finding's message keeps.
const MESSAGE: usize = 500;

/// The most characters a finding's name keeps.
const NAME: usize = 300;

/// Bytes as text without escape sequences (ECMA-48 control sequences and character-set
/// selections) and carriage returns.
pub(super) fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(['\u{1b}', '\r']) {
        return text.into_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        match char {
            '\r' => {}
            '\u{1b}' => skip_escape(&mut chars),
            _ => plain.push(char),
        }
    }
    plain
}

fn skip_escape(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => while chars.next().is_some_and(|char| !('@'..='~').contains(&char)) {},
        Some('(' | ')') => {
            chars.next();
        }
        _ => {}
    }
}

/// A message of one line at most `MESSAGE` characters long.
pub(super) fn short(message: &str) -> String {
    clip(message.trim(), MESSAGE)
}

fn clip(text: &str, most: usize) -> String {
    let mut clipped: String = text.chars().take(most).collect();
    if clipped.len() < text.len() {
        clipped.push('…');
    }
    clipped
}

/// A finding without a place.
pub(super) fn finding(name: &str, message: &str) -> Finding {
    Finding {
        name: clip(name.trim(), NAME),
        message: short(message),
        file: None,
        line: None,
        preexisting: false,
    }
}

/// A finding at a place.
pub(super) fn finding_at(
    name: &str,
    message: &str,
    file: Option<&str>,
    line: Option<u32>,
) -> Finding {
    let file = file.map(|file| clip(file.strip_prefix("./").unwrap_or(file), NAME));
    Finding { file, line, ..finding(name, message) }
}

/// `file:line:column` or `file:line`, as compilers and panics write a place.
pub(super) fn place(text: &str) -> Option<(&str, u32)> {
    let text = text.trim().trim_end_matches(':');
    let (head, last) = text.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    match head.rsplit_once(':') {
        Some((file, line)) if !file.is_empty() => {
            line.parse().map_or(Some((head, last)), |line| Some((file, line)))
        }
        _ if head.is_empty() => None,
        _ => Some((head, last)),
    }
}
