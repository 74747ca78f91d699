//! Public keys one trusts, and in whose name.

use std::collections::BTreeSet;

use ed25519_dalek::{Signature, VerifyingKey, pkcs8::DecodePublicKey as _};

use super::key::{KeyId, sigstore_hint, spki_der};
use crate::{
    error::{Error, Result},
    id::{Digest, hex},
    traits::KeyInfo,
};

/// A public key one trusts.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    key: VerifyingKey,
    named: Option<String>,
    speaks_for: Option<BTreeSet<String>>,
}

impl TrustedKey {
    /// Trusts the key of an SPKI file in PEM.
    ///
    /// # Errors
    /// `Invalid` if it is not an Ed25519 public key, or one that anybody can sign for.
    pub fn from_pem(pem: &str) -> Result<Self> {
        let key = VerifyingKey::from_public_key_pem(pem.trim_start()).ok();
        let key = key.filter(|key| !key.is_weak()).ok_or_else(|| {
            Error::invalid("not an Ed25519 public key in PEM")
                .advice("give the file that begins with '-----BEGIN PUBLIC KEY-----'")
        })?;
        Ok(Self { key, named: None, speaks_for: None })
    }

    /// Trusts a signer's key under the signer's name for it.
    ///
    /// # Errors
    /// As [`TrustedKey::from_pem`].
    pub fn of(info: &KeyInfo) -> Result<Self> {
        Ok(Self::from_pem(&info.public_pem)?.named(info.id.clone()))
    }

    /// Accepts another key id than the usual ones for this key.
    #[must_use]
    pub fn named(mut self, id: impl Into<String>) -> Self {
        self.named = Some(id.into());
        self
    }

    /// Trusts the key only for statements made in this builder's or verifier's name. May be called
    /// for several.
    #[must_use]
    pub fn speaks_for(mut self, id: impl Into<String>) -> Self {
        self.speaks_for.get_or_insert_default().insert(id.into());
        self
    }

    /// The default key id: the SSH fingerprint.
    pub fn id(&self) -> String {
        KeyId::SshFingerprint.of(self.key.as_bytes())
    }

    pub(super) fn public(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// Whether the signature is this key's. `verify_strict` also refuses the second form of a
    /// signature that other verifiers let pass, and keys of small order.
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }

    /// Whether an envelope that this key signed may call it that. Key ids are unsigned; an id that
    /// names no key or another one was altered on the way.
    pub(super) fn is_called(&self, id: &str) -> bool {
        let public = self.public();
        id.is_empty()
            || self.named.as_deref() == Some(id)
            || id == KeyId::SshFingerprint.of(public)
            || id == KeyId::Securesystemslib.of(public)
            || id == hex(Digest::of(spki_der(public)).as_bytes())
    }

    pub(super) fn is_hinted(&self, hint: &str) -> bool {
        hint == sigstore_hint(self.public()) || self.is_called(hint)
    }

    /// The ids it may speak for; `None` for any.
    pub(super) const fn names(&self) -> Option<&BTreeSet<String>> {
        self.speaks_for.as_ref()
    }
}
