//! Credentials in URLs: the userinfo of [RFC 3986](https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1).
//! Whatever holds such a URL is stored and shown, and the password with it.

use std::collections::BTreeMap;

use serde_json::Value;

/// Schemes whose user is part of the address, and no secret.
const WITH_USER: [&str; 3] = ["ssh", "git+ssh", "ssh+git"];

/// Whether the authority of a URL of this scheme, the part before its path, names a user or a
/// password that would be stored and shown.
pub(crate) fn is_in(scheme: &str, authority: &str) -> bool {
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    let addressed = WITH_USER.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    !user.is_empty() && (!addressed || user.contains(':'))
}

/// Where the first URL with credentials is in a driver's settings, such as `.repo` or `.exec[2]`.
/// No name that itself holds one is repeated.
pub(crate) fn place(settings: &BTreeMap<String, Value>) -> Option<String> {
    settings.iter().find_map(|(name, value)| place_of_member(name, value))
}

fn place_of_member(name: &str, value: &Value) -> Option<String> {
    if is_anywhere(name) {
        return Some(String::new());
    }
    place_of(value).map(|place| format!(".{}{place}", name.escape_debug()))
}

fn place_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => is_anywhere(text).then(String::new),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.find_map(|(at, item)| place_of(item).map(|place| format!("[{at}]{place}")))
        }
        Value::Object(members) => {
            members.iter().find_map(|(name, member)| place_of_member(name, member))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Whether there is a URL with credentials anywhere in a text, such as a command.
fn is_anywhere(text: &str) -> bool {
    let of_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let ends = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '`' | '<');
    text.match_indices("://").any(|(at, sign)| {
        let scheme = text[..at].rsplit(|c| !of_scheme(c)).next().unwrap_or_default();
        let authority = text[at + sign.len()..].split(ends).next().unwrap_or_default();
        !scheme.is_empty() && is_in(scheme, authority)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(settings: Value) -> Option<String> {
        place(&serde_json::from_value(settings).unwrap())
    }

    #[test]
    fn credentials_are_found_wherever_they_stand() {
        let cases = [
            (json!({ "repo": "https://me:secret@host/r" }), ".repo"),
            (json!({ "repo": "HTTPS://secret@host/r" }), ".repo"),
            (json!({ "repo": "ssh://me:secret@host/r" }), ".repo"),
            (json!({ "restart": ["sh", "-c", "curl -s 'ftp://me:secret@host' "] }), ".restart[2]"),
            (json!({ "variables": { "DB": "postgres://me:secret@db:5432" } }), ".variables.DB"),
            (json!({ "a": "http://host and (git+https://secret@host/r)" }), ".a"),
            (json!({ "variables": { "http://secret@host/": "x" } }), ".variables"),
            (json!({ "http://secret@host": 1 }), ""),
        ];
        for (settings, place) in cases {
            assert_eq!(found(settings.clone()).as_deref(), Some(place), "{settings}");
        }
    }

    #[test]
    fn a_url_without_credentials_is_taken() {
        for text in [
            "ssh://git@host/r",
            "GIT+SSH://git@host/r",
            "git@host:r",
            "https://host/r@1",
            "https://host?to=a@b",
            "curl http://host:80 && mail me@host",
            "https://@host/",
            "://me:secret@host",
            "env://GIT_TOKEN",
        ] {
            assert_eq!(found(json!({ "repo": text })), None, "{text}");
        }
    }
}
