//! Taking secrets out of text and bytes before anything is kept or shown.
//!
//! A [`Redactor`] knows the secrets of a job, each in the forms in which tools print them: as it
//! is, line by line, in base 64 (standard and URL-safe, at each of the three alignments a value
//! can have inside a longer text), in hexadecimal, percent-encoded and escaped for JSON. Every
//! byte that belongs to such a form is taken out, also where forms overlap, and each run of them
//! is replaced by [`MARKER`].
//!
//! It is not responsible for finding secrets nobody told it of.

mod forms;
mod stream;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use aho_corasick::{MatchKind, automaton::Automaton as _, nfa::contiguous::NFA};
use serde_json::Value;
use zeroize::Zeroizing;

pub use stream::RedactStream;

use crate::{
    error::{Error, Result},
    secret::Secret,
};

/// What stands where a secret was.
pub const MARKER: &str = "[redacted]";

/// The fewest bytes a secret has. Shorter ones occur in any text by chance, so that taking them
/// out would destroy logs and tell the secret by the holes.
pub const SHORTEST: usize = 4;

/// Takes the secrets it knows out of bytes, text and JSON.
///
/// Cheap to clone. `Debug` shows nothing of the secrets.
///
/// ```
/// use matrix_architect_core::{redact::Redactor, secret::Secret};
///
/// let redactor = Redactor::new([&Secret::new("hunter2-hunter2")])?;
/// assert_eq!(redactor.redact_str("login with hunter2-hunter2!"), "login with [redacted]!");
/// assert_eq!(redactor.redact_str("Basic aHVudGVyMi1odW50ZXIy"), "Basic [redacted]");
/// # Ok::<(), matrix_architect_core::error::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Redactor(Option<Arc<Patterns>>);

/// The forms of all secrets, and the automaton that finds them.
struct Patterns {
    forms: Vec<Zeroizing<Vec<u8>>>,
    automaton: NFA,
}

impl Redactor {
    /// Knows these secrets.
    ///
    /// # Errors
    /// `Invalid` with code `secret_too_short` if one has fewer than [`SHORTEST`] bytes without the
    /// white space around it, and with code `secret_too_common` if it is a part of [`MARKER`].
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Self> {
        Self::default().with(secrets)
    }

    /// Knows these secrets as well.
    ///
    /// # Errors
    /// As [`Redactor::new`].
    pub fn with<'a>(&self, secrets: impl IntoIterator<Item = &'a Secret>) -> Result<Self> {
        let mut forms = self.0.as_ref().map_or_else(Vec::new, |known| known.forms.clone());
        for secret in secrets {
            check(secret.expose().trim_ascii())?;
            forms.extend(forms::of(secret.expose()));
        }
        forms.sort_unstable_by(|one, other| one.as_slice().cmp(other));
        forms.dedup();
        if forms.is_empty() {
            return Ok(Self(None));
        }
        let automaton = NFA::builder()
            .match_kind(MatchKind::Standard)
            .prefilter(false)
            .build(forms.iter().map(|form| form.as_slice()))
            .map_err(|_| {
                // The source is not kept: it may speak of the patterns.
                Error::invalid("the secrets are too large to be redacted")
                    .advice("keep each secret below a few hundred KiB")
            })?;
        Ok(Self(Some(Arc::new(Patterns { forms, automaton }))))
    }

    /// The bytes without the secrets.
    pub fn redact(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.stream();
        let mut clean = stream.push(bytes);
        clean.extend(stream.finish());
        clean
    }

    /// The text without the secrets.
    pub fn redact_str(&self, text: &str) -> String {
        match String::from_utf8(self.redact(text.as_bytes())) {
            Ok(clean) => clean,
            // A secret that is not text can end within a character.
            Err(cut) => String::from_utf8_lossy(cut.as_bytes()).into_owned(),
        }
    }

    /// The value without the secrets, in keys, strings and numbers. A number that holds one becomes
    /// the string [`MARKER`].
    #[must_use]
    pub fn redact_json(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.redact_str(&text)),
            Value::Number(number) => {
                let text = number.to_string();
                let clean = self.redact_str(&text);
                if clean == text { Value::Number(number) } else { Value::String(clean) }
            }
            Value::Array(items) => items.into_iter().map(|item| self.redact_json(item)).collect(),
            Value::Object(fields) => fields
                .into_iter()
                .map(|(key, value)| (self.redact_str(&key), self.redact_json(value)))
                .collect(),
            Value::Null | Value::Bool(_) => value,
        }
    }

    /// Redacts bytes that come in pieces.
    pub fn stream(&self) -> RedactStream {
        RedactStream::new(self.clone())
    }

    /// The most bytes a [`RedactStream`] ever holds back: one less than the longest form.
    pub fn holds_back(&self) -> usize {
        self.0.as_ref().map_or(0, |patterns| patterns.automaton.max_pattern_len() - 1)
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redactor(..)")
    }
}

fn check(secret: &[u8]) -> Result<()> {
    if secret.len() < SHORTEST {
        return Err(Error::invalid("a secret is too short to be kept out of logs")
            .code("secret_too_short")
            .context("shortest", SHORTEST)
            .advice("use a longer secret"));
    }
    if MARKER.as_bytes().windows(secret.len()).any(|part| part == secret) {
        return Err(Error::invalid("a secret is a part of the word that replaces secrets")
            .code("secret_too_common")
            .advice("use a longer secret"));
    }
    Ok(())
}
