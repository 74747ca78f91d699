//! Why an attestation is refused. Closed, so that a caller has to think of every case.

use std::fmt;

use crate::{
    error::{Error, ErrorKind},
    id::Digest,
    time::Timestamp,
};

/// Which part of an attestation is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The Sigstore bundle.
    Bundle,
    /// The DSSE envelope.
    Envelope,
    /// The in-toto statement.
    Statement,
    /// The statement's predicate.
    Predicate,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bundle => "bundle",
            Self::Envelope => "envelope",
            Self::Statement => "statement",
            Self::Predicate => "predicate",
        })
    }
}

/// Why an attestation is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is larger than anything we sign.
    #[error("the attestation has {bytes} bytes, more than {cap}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most that is read.
        cap: usize,
    },
    /// A part is not JSON of the form its specification gives.
    #[error("the {part} is malformed: {reason}")]
    Malformed {
        /// Which part.
        part: Part,
        /// What is wrong with it.
        reason: String,
    },
    /// An object has the same key twice.
    #[error("the {part} has the key '{key}' twice")]
    DuplicateKey {
        /// Which part.
        part: Part,
        /// Which key.
        key: String,
    },
    /// A field is not base 64.
    #[error("the envelope's '{field}' is not base 64")]
    NotBase64 {
        /// Which field.
        field: &'static str,
    },
    /// The payload is something other than an in-toto statement.
    #[error("the payload is of type '{found}', not an in-toto statement")]
    PayloadType {
        /// What the envelope says it is.
        found: String,
    },
    /// Nobody signed it.
    #[error("the envelope has no signature")]
    NoSignatures,
    /// More signatures than anybody needs.
    #[error("the envelope has {count} signatures, more than {cap}")]
    TooManySignatures {
        /// How many it has.
        count: usize,
        /// The most that are tried.
        cap: usize,
    },
    /// Too few of the trusted keys signed it.
    #[error("{found} of the trusted keys signed it, {needed} must")]
    NotSigned {
        /// How many distinct trusted keys signed it.
        found: usize,
        /// How many must.
        needed: usize,
    },
    /// The key that signed is not the one the envelope names.
    #[error("the envelope names the key '{named}', but another key signed it")]
    KeyIdMismatch {
        /// The key id, or the hint of a bundle.
        named: String,
    },
    /// The statement is of a type other than in-toto Statement v1.
    #[error("the statement is of type '{found}', not in-toto Statement v1")]
    StatementType {
        /// Its `_type`.
        found: String,
    },
    /// The predicate is of a type the caller does not accept.
    #[error("the predicate is of type '{found}', which is not accepted here")]
    PredicateType {
        /// Its `predicateType`.
        found: String,
    },
    /// The statement is about nothing.
    #[error("the statement is about nothing")]
    NoSubject,
    /// A subject is named without a digest.
    #[error("the subject '{name}' has no digest")]
    SubjectWithoutDigest {
        /// Which subject.
        name: String,
    },
    /// A digest is not what its algorithm yields.
    #[error("the subject '{name}' has a malformed '{algorithm}' digest")]
    BadDigest {
        /// Which subject.
        name: String,
        /// Which algorithm.
        algorithm: String,
    },
    /// The predicate says nothing.
    #[error("the predicate is empty")]
    EmptyPredicate,
    /// The statement is about other artifacts than the ones at hand.
    #[error("the statement is not about {digest}")]
    SubjectMismatch {
        /// The artifact no subject names.
        digest: Digest,
    },
    /// The statement names no moment, and one is asked for.
    #[error("the statement does not say when it was made")]
    NoTime,
    /// The statement was made before or after it may have been.
    #[error("the statement was made at {at}, outside {not_before} to {not_after}")]
    OutsideWindow {
        /// When it says it was made.
        at: Timestamp,
        /// The earliest accepted moment.
        not_before: Timestamp,
        /// The latest accepted moment.
        not_after: Timestamp,
    },
    /// The statement speaks in the name of somebody the key may not speak for.
    #[error("the key may not speak for '{id}'")]
    SpeaksForAnother {
        /// The builder's or verifier's id.
        id: String,
    },
    /// The statement speaks in no name, and the key is trusted only for some.
    #[error("the statement does not say who made it")]
    Nameless,
    /// A verification summary says `FAILED`.
    #[error("the gate's word is FAILED")]
    GateFailed,
    /// A verification summary is about another job, generation, plan, patch or evidence.
    #[error("the summary is not about this release: its {what} is another")]
    ClaimMismatch {
        /// What differs.
        what: &'static str,
    },
}

impl VerifyError {
    /// What to do about it.
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Malformed { .. } | Self::NotBase64 { .. } => {
                "check that the file is the attestation as it was written, and fetch it again"
            }
            Self::DuplicateKey { .. } | Self::TooManySignatures { .. } => {
                "do not trust it: it is built to read differently to different readers"
            }
            Self::PayloadType { .. } | Self::StatementType { .. } => {
                "give an in-toto attestation; this is something else"
            }
            Self::NoSignatures | Self::NotSigned { .. } | Self::KeyIdMismatch { .. } => {
                "check that the public key is the signer's; if it is, the attestation was altered"
            }
            Self::PredicateType { .. } => "ask for this predicate type, or give the right file",
            Self::NoSubject
            | Self::SubjectWithoutDigest { .. }
            | Self::BadDigest { .. }
            | Self::EmptyPredicate => "do not trust it: it proves nothing about any artifact",
            Self::SubjectMismatch { .. } => {
                "check that the artifact belongs to this attestation; if it does, it was altered"
            }
            Self::NoTime | Self::OutsideWindow { .. } => {
                "ask the signer for a fresh attestation, or widen the accepted time"
            }
            Self::SpeaksForAnother { .. } | Self::Nameless => {
                "trust the key for that id, or ask whom the id names for an attestation"
            }
            Self::GateFailed => "look at the job's gate for the reasons",
            Self::ClaimMismatch { .. } => "run the job's gate again on what is to be released",
        }
    }

    /// The case's name for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "attestation_too_large",
            Self::Malformed { .. } => "attestation_malformed",
            Self::DuplicateKey { .. } => "attestation_duplicate_key",
            Self::NotBase64 { .. } => "attestation_not_base64",
            Self::PayloadType { .. } => "attestation_payload_type",
            Self::NoSignatures => "attestation_unsigned",
            Self::TooManySignatures { .. } => "attestation_too_many_signatures",
            Self::NotSigned { .. } => "attestation_not_signed",
            Self::KeyIdMismatch { .. } => "attestation_key_id",
            Self::StatementType { .. } => "attestation_statement_type",
            Self::PredicateType { .. } => "attestation_predicate_type",
            Self::NoSubject => "attestation_no_subject",
            Self::SubjectWithoutDigest { .. } => "attestation_subject_without_digest",
            Self::BadDigest { .. } => "attestation_bad_digest",
            Self::EmptyPredicate => "attestation_empty_predicate",
            Self::SubjectMismatch { .. } => "attestation_subject_mismatch",
            Self::NoTime => "attestation_no_time",
            Self::OutsideWindow { .. } => "attestation_outside_window",
            Self::SpeaksForAnother { .. } => "attestation_speaks_for_another",
            Self::Nameless => "attestation_nameless",
            Self::GateFailed => "gate_failed",
            Self::ClaimMismatch { .. } => "attestation_claim_mismatch",
        }
    }
}

impl From<VerifyError> for Error {
    fn from(refusal: VerifyError) -> Self {
        let advice = refusal.advice();
        let code = refusal.code();
        Self::new(ErrorKind::Denied, "the attestation is refused")
            .code(code)
            .context("reason", &refusal)
            .advice(advice)
            .source(refusal)
    }
}
