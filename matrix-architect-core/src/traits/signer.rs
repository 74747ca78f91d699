//! Signing.

use std::fmt::Debug;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::error::Result;

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// Pure Ed25519, [RFC 8032](https://www.rfc-editor.org/rfc/rfc8032).
    #[serde(rename = "ed25519")]
    Ed25519,
}

/// A public key and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// The key id written into envelopes.
    pub id: String,
    /// How it signs.
    pub algorithm: SignatureAlgorithm,
    /// The public key as SPKI in PEM.
    pub public_pem: String,
}

/// Signs bytes as they are.
///
/// # Contract
/// 1. `a_signature_verifies_under_the_named_key`, and under it alone; the message is signed as it
///    is, empty or large, and not a hash of it.
/// 2. `the_key_does_not_change_between_calls`, nor when the signer is opened again.
/// 3. `the_private_key_never_shows_in_debug`.
/// 4. `an_envelope_it_signed_holds`, and no altered one does.
///
/// # Idempotence
/// May be repeated.
#[async_trait]
pub trait Signer: Debug + Send + Sync + 'static {
    /// The key it signs with.
    fn key(&self) -> KeyInfo;

    /// Signs `message`, the pre-authentication encoding in the case of an envelope.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}
