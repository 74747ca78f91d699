//! Signed statements: DSSE envelopes, in-toto statements, SLSA provenance and verification
//! summaries, and the strict verifier of all of them.

use serde::{Deserialize, Serialize};

/// A [DSSE](https://github.com/secure-systems-lab/dsse) envelope, version 1.0.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
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
pub struct Signature {
    /// The signer's key id; a hint.
    #[serde(default)]
    pub keyid: String,
    /// The signature in standard base 64 with padding.
    pub sig: String,
}
