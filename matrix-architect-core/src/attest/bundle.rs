//! The [Sigstore bundle](https://github.com/sigstore/protobuf-specs), version 0.3, around an
//! envelope that was signed with a key of one's own: what tools of that family read offline.

use serde::{Deserialize, Serialize};

use super::{
    envelope::Envelope,
    error::{Part, VerifyError},
    json,
    key::sigstore_hint,
    trust::TrustedKey,
};
use crate::{error::Result, traits::KeyInfo};

const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A DSSE envelope with what Sigstore's verifiers need beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Material {
    public_key: PublicKey,
    /// Empty: nothing was logged in a public log.
    #[serde(default)]
    tlog_entries: [(); 0],
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublicKey {
    hint: String,
}

impl Bundle {
    /// Wraps an envelope that has one signature, by `key`.
    ///
    /// # Errors
    /// `Invalid` if the key is not an Ed25519 key or the envelope has not one signature: Sigstore's
    /// verifiers refuse any other number.
    pub fn new(envelope: Envelope, key: &KeyInfo) -> Result<Self> {
        let key = TrustedKey::of(key)?;
        let bundle = Self {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: Material {
                public_key: PublicKey { hint: sigstore_hint(key.public()) },
                tlog_entries: [],
            },
            dsse_envelope: envelope,
        };
        Ok(bundle.checked()?)
    }

    /// Reads a bundle as strictly as an [`Envelope`].
    ///
    /// # Errors
    /// The [`VerifyError`] that names the flaw.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, VerifyError> {
        json::from_slice::<Self>(bytes, Part::Bundle)?.checked()
    }

    /// The bundle as it is stored: compact JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Strings and lists have a JSON form always.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The envelope.
    pub const fn envelope(&self) -> &Envelope {
        &self.dsse_envelope
    }

    pub(super) fn into_parts(self) -> (Envelope, String) {
        (self.dsse_envelope, self.verification_material.public_key.hint)
    }

    fn checked(self) -> Result<Self, VerifyError> {
        let malformed = |reason: String| VerifyError::Malformed { part: Part::Bundle, reason };
        if self.media_type != MEDIA_TYPE {
            return Err(malformed(format!("mediaType is '{}'", self.media_type)));
        }
        match self.dsse_envelope.signatures.len() {
            0 => Err(VerifyError::NoSignatures),
            1 => Ok(self),
            count => Err(VerifyError::TooManySignatures { count, cap: 1 }),
        }
    }
}
