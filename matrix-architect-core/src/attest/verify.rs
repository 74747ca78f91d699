//! Our own strict verifier. Verifiers of signatures do not look inside the payload; this one does:
//! a signature over a statement about something else proves nothing.

use serde_json::Value;

use super::{
    bundle::Bundle,
    envelope::{Envelope, PAYLOAD_TYPE, pre_authentication_encoding},
    error::{Part, VerifyError},
    expect::Expectations,
    json,
    provenance::{PROVENANCE, Provenance},
    statement::{Predicate, Statement},
    summary::{SUMMARY, Summary},
    test_result::{TEST_RESULT, TestResult},
    trust::TrustedKey,
};
use crate::{id::Digest, time::Timestamp};

/// A statement that holds. Only [`verify`] makes one.
#[derive(Clone, Debug)]
pub struct VerifiedStatement {
    bytes: Vec<u8>,
    statement: Statement,
    keys: Vec<String>,
    stored: Digest,
}

impl VerifiedStatement {
    /// The bytes that were signed.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What they say.
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }

    /// The predicate, if it is of that type.
    ///
    /// # Errors
    /// [`VerifyError::PredicateType`] if it is of another type, [`VerifyError::Malformed`] if it is
    /// not what that type demands.
    pub fn predicate<P: Predicate>(&self) -> Result<P, VerifyError> {
        let found = self.statement.predicate_type();
        if found != P::TYPE {
            return Err(VerifyError::PredicateType { found: found.to_owned() });
        }
        read(self.statement.predicate())
    }

    /// SSH fingerprints of the trusted keys that signed it.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// The digest of the attestation as it was given: its address in the artifact store.
    pub const fn stored(&self) -> &Digest {
        &self.stored
    }
}

/// Verifies an attestation, a DSSE envelope or a Sigstore bundle, against what is demanded of it.
///
/// # Errors
/// The first [`VerifyError`] it meets; signatures are checked before anything inside the payload is
/// believed.
pub fn verify(stored: &[u8], wanted: &Expectations) -> Result<VerifiedStatement, VerifyError> {
    let (envelope, hint) = open(stored)?;
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(VerifyError::PayloadType { found: envelope.payload_type });
    }
    let bytes = envelope.payload_bytes()?;
    let signers = signers(&envelope, &bytes, wanted)?;
    if let Some(hint) = hint.filter(|hint| !signers.iter().any(|key| key.is_hinted(hint))) {
        return Err(VerifyError::KeyIdMismatch { named: hint });
    }
    let statement: Statement = json::from_slice(&bytes, Part::Statement)?;
    statement.check()?;
    let found = statement.predicate_type();
    if !wanted.accepts(found) {
        return Err(VerifyError::PredicateType { found: found.to_owned() });
    }
    let said = Said::by(&statement)?;
    said.check(&statement, wanted)?;
    check_names(&signers, wanted.threshold.get(), said.name.as_deref())?;
    let keys = signers.iter().map(|key| key.id()).collect();
    Ok(VerifiedStatement { bytes, statement, keys, stored: Digest::of(stored) })
}

fn open(stored: &[u8]) -> Result<(Envelope, Option<String>), VerifyError> {
    let value = json::value(stored, Part::Envelope)?;
    if value.get("dsseEnvelope").is_none() {
        return Envelope::from_slice(stored).map(|envelope| (envelope, None));
    }
    let (envelope, hint) = Bundle::from_slice(stored)?.into_parts();
    Ok((envelope, Some(hint)))
}

/// The distinct trusted keys that signed. Key ids choose nothing: every signature is tried with
/// every key, and a key counts once however often it signed.
fn signers<'a>(
    envelope: &Envelope,
    payload: &[u8],
    wanted: &'a Expectations,
) -> Result<Vec<&'a TrustedKey>, VerifyError> {
    let message = pre_authentication_encoding(&envelope.payload_type, payload);
    let mut found: Vec<&TrustedKey> = Vec::new();
    for signature in &envelope.signatures {
        let bytes = signature.bytes()?;
        let Some(key) = wanted.keys.iter().find(|key| key.signed(&message, &bytes)) else {
            continue;
        };
        if !key.is_called(&signature.keyid) {
            return Err(VerifyError::KeyIdMismatch { named: signature.keyid.clone() });
        }
        if !found.iter().any(|other| other.public() == key.public()) {
            found.push(key);
        }
    }
    let needed = wanted.threshold.get();
    if found.len() < needed {
        return Err(VerifyError::NotSigned { found: found.len(), needed });
    }
    Ok(found)
}

/// What a predicate says of its making.
struct Said {
    at: Option<Timestamp>,
    name: Option<String>,
}

impl Said {
    /// Reads the predicates this crate knows as strictly as it writes them.
    fn by(statement: &Statement) -> Result<Self, VerifyError> {
        let predicate = statement.predicate();
        Ok(match statement.predicate_type() {
            PROVENANCE => {
                let provenance: Provenance = read(predicate)?;
                let details = provenance.run_details;
                Self { at: details.metadata.finished_on, name: Some(details.builder.id) }
            }
            SUMMARY => {
                let summary: Summary = read(predicate)?;
                Self { at: Some(summary.time_verified), name: Some(summary.verifier.id) }
            }
            TEST_RESULT => {
                read::<TestResult>(predicate)?;
                Self { at: None, name: None }
            }
            _ => Self { at: None, name: None },
        })
    }

    fn check(&self, statement: &Statement, wanted: &Expectations) -> Result<(), VerifyError> {
        if let Some(digest) = wanted.subjects.iter().find(|digest| !statement.is_about(digest)) {
            return Err(VerifyError::SubjectMismatch { digest: *digest });
        }
        let Some(window) = wanted.window else { return Ok(()) };
        let at = self.at.ok_or(VerifyError::NoTime)?;
        if at < window.not_before || at > window.not_after {
            let (not_before, not_after) = (window.not_before, window.not_after);
            return Err(VerifyError::OutsideWindow { at, not_before, not_after });
        }
        Ok(())
    }
}

/// Demands that enough of the keys that signed may speak in the statement's name.
fn check_names(
    signers: &[&TrustedKey],
    needed: usize,
    name: Option<&str>,
) -> Result<(), VerifyError> {
    let may_speak = |key: &&&TrustedKey| {
        key.names().is_none_or(|names| name.is_some_and(|name| names.contains(name)))
    };
    if signers.iter().filter(may_speak).count() >= needed {
        return Ok(());
    }
    Err(name
        .map_or(VerifyError::Nameless, |id| VerifyError::SpeaksForAnother { id: id.to_owned() }))
}

fn read<P: Predicate>(predicate: &Value) -> Result<P, VerifyError> {
    let part = Part::Predicate;
    let read: P = json::from_value(predicate, part)?;
    match read.flaw() {
        None => Ok(read),
        Some(flaw) => Err(VerifyError::Malformed { part, reason: flaw.to_owned() }),
    }
}
