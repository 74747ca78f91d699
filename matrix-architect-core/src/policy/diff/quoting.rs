//! Paths in a diff, as Git writes them.

use std::borrow::Cow;

/// `a/x b/x` → `x`. Only renames have two paths, and those say so in lines of their own.
pub(super) fn same_path_twice(paths: &str) -> Option<Cow<'_, str>> {
    if paths.starts_with('"') {
        let (_, after) = paths.rsplit_once(" \"b/")?;
        return Some(unescape(after.strip_suffix('"')?));
    }
    let half = paths.len().checked_sub(1)? / 2;
    let path = paths.get(..half)?.strip_prefix("a/")?;
    let again = paths.get(half + 1..)?.strip_prefix("b/")?;
    (path == again).then_some(Cow::Borrowed(path))
}

/// The path of a `---` or `+++` line; `None` for `/dev/null`.
pub(super) fn side<'a>(text: &'a str, prefix: &str) -> Option<Cow<'a, str>> {
    let text = text.split('\t').next().unwrap_or(text);
    if text == "/dev/null" {
        return None;
    }
    Some(match unquote(text) {
        Cow::Borrowed(path) => Cow::Borrowed(path.strip_prefix(prefix).unwrap_or(path)),
        Cow::Owned(path) => Cow::Owned(path.strip_prefix(prefix).unwrap_or(&path).to_owned()),
    })
}

pub(super) fn unquote(text: &str) -> Cow<'_, str> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.map_or(Cow::Borrowed(text), unescape)
}

/// Git quotes unusual paths like C: `\t`, `\"`, and bytes in octal.
fn unescape(text: &str) -> Cow<'_, str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b't') => b'\t',
            Some(b'n') => b'\n',
            Some(high @ b'0'..=b'3') => {
                let digit = |byte: Option<u8>| byte.unwrap_or(b'0').wrapping_sub(b'0') & 7;
                (high - b'0') << 6 | digit(rest.next()) << 3 | digit(rest.next())
            }
            Some(other) => other,
            None => b'\\',
        });
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}
