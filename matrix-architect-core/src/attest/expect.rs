//! What a verifier demands of an attestation.

use std::{collections::BTreeSet, num::NonZeroUsize};

use super::{
    provenance::PROVENANCE, summary::SUMMARY, test_result::TEST_RESULT, trust::TrustedKey,
};
use crate::{id::Digest, time::Timestamp};

/// When a statement may have been made, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The earliest moment.
    pub not_before: Timestamp,
    /// The latest moment.
    pub not_after: Timestamp,
}

/// What is demanded of an attestation. Without further words: one signature by the trusted key, and
/// a predicate of a type this crate makes.
#[derive(Clone, Debug)]
pub struct Expectations {
    pub(super) keys: Vec<TrustedKey>,
    pub(super) threshold: NonZeroUsize,
    pub(super) predicate_types: BTreeSet<String>,
    pub(super) subjects: BTreeSet<Digest>,
    pub(super) window: Option<Window>,
}

impl Expectations {
    /// Trusts one key.
    pub fn of(key: TrustedKey) -> Self {
        Self {
            keys: vec![key],
            threshold: NonZeroUsize::MIN,
            predicate_types: BTreeSet::new(),
            subjects: BTreeSet::new(),
            window: None,
        }
    }

    /// Trusts another key beside.
    #[must_use]
    pub fn or(mut self, key: TrustedKey) -> Self {
        self.keys.push(key);
        self
    }

    /// Demands signatures by that many distinct keys.
    #[must_use]
    pub const fn threshold(mut self, keys: NonZeroUsize) -> Self {
        self.threshold = keys;
        self
    }

    /// Accepts only this predicate type. May be called for several.
    #[must_use]
    pub fn predicate_type(mut self, uri: impl Into<String>) -> Self {
        self.predicate_types.insert(uri.into());
        self
    }

    /// Demands that the statement is about the artifact with this digest. May be called for
    /// several; all of them must be named.
    #[must_use]
    pub fn subject(mut self, digest: Digest) -> Self {
        self.subjects.insert(digest);
        self
    }

    /// Demands that the statement was made in this time.
    #[must_use]
    pub const fn window(mut self, window: Window) -> Self {
        self.window = Some(window);
        self
    }

    pub(super) fn accepts(&self, predicate_type: &str) -> bool {
        if self.predicate_types.is_empty() {
            return [PROVENANCE, SUMMARY, TEST_RESULT].contains(&predicate_type);
        }
        self.predicate_types.contains(predicate_type)
    }
}
