//! The [DSSE](https://github.com/secure-systems-lab/dsse) envelope, version 1.0.2.

use base64::{
    Engine as _,
    alphabet::URL_SAFE,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use serde::{Deserialize, Serialize};

use super::{
    error::{Part, VerifyError},
    json,
};

/// What the payload of every in-toto statement is.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The largest envelope that is read at all, in bytes. A bill of materials is the largest thing
/// that is signed.
pub(super) const MAX_ENVELOPE: usize = 64 << 20;
const MAX_SIGNATURES: usize = 16;

/// Some emitters write the URL-safe alphabet, with or without padding; DSSE demands that both are
/// read.
const LENIENT_URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A DSSE envelope: a payload, what it is, and who vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    /// The payload in standard base 64 with padding.
    pub payload: String,
    /// What the payload is.
    pub payload_type: String,
    /// The signatures over the pre-authentication encoding.
    pub signatures: Vec<Signature>,
}

/// One signature of an envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The signer's key id; a hint.
    #[serde(default)]
    pub keyid: String,
    /// The signature in standard base 64 with padding.
    pub sig: String,
}

impl Envelope {
    /// Reads an envelope strictly: no unknown field, no key twice at any depth, at most 64 MiB and
    /// 16 signatures. Says nothing about who signed it; that is [`verify`](super::verify).
    ///
    /// # Errors
    /// The [`VerifyError`] that names the flaw.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, VerifyError> {
        let envelope: Self = json::from_slice(bytes, Part::Envelope)?;
        match envelope.signatures.len() {
            0 => Err(VerifyError::NoSignatures),
            count if count > MAX_SIGNATURES => {
                Err(VerifyError::TooManySignatures { count, cap: MAX_SIGNATURES })
            }
            _ => Ok(envelope),
        }
    }

    /// The envelope as it is stored: compact JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Three strings and a list have a JSON form always.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The payload's bytes.
    ///
    /// # Errors
    /// [`VerifyError::NotBase64`].
    pub fn payload_bytes(&self) -> Result<Vec<u8>, VerifyError> {
        decode(&self.payload, "payload")
    }
}

impl Signature {
    pub(super) fn bytes(&self) -> Result<Vec<u8>, VerifyError> {
        decode(&self.sig, "sig")
    }
}

fn decode(text: &str, field: &'static str) -> Result<Vec<u8>, VerifyError> {
    let standard = STANDARD.decode(text);
    standard
        .or_else(|_| LENIENT_URL_SAFE.decode(text))
        .map_err(|_| VerifyError::NotBase64 { field })
}

/// What is signed: `DSSEv1`, the type and the payload, each with its length in bytes before it, so
/// that no two pairs of type and payload look alike
/// ([protocol.md](https://github.com/secure-systems-lab/dsse/blob/v1.0.2/protocol.md)).
///
/// ```
/// use matrix_architect_core::attest::pre_authentication_encoding;
///
/// assert_eq!(
///     pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
///     b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
/// );
/// ```
pub fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}
