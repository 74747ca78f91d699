//! Signing: the statement's bytes, as they will be stored.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    envelope::{Envelope, PAYLOAD_TYPE, Signature, pre_authentication_encoding},
    statement::Statement,
};
use crate::{error::Result, traits::Signer};

/// Signs a statement.
///
/// # Errors
/// Whatever the signer meets.
pub async fn sign(signer: &dyn Signer, statement: &Statement) -> Result<Envelope> {
    sign_bytes(signer, PAYLOAD_TYPE, &statement.to_bytes()).await
}

/// Signs bytes of any type.
///
/// # Errors
/// Whatever the signer meets.
pub async fn sign_bytes(
    signer: &dyn Signer,
    payload_type: &str,
    payload: &[u8],
) -> Result<Envelope> {
    let message = pre_authentication_encoding(payload_type, payload);
    let signature = signer.sign(&message).await?;
    Ok(Envelope {
        payload: STANDARD.encode(payload),
        payload_type: payload_type.to_owned(),
        signatures: vec![Signature { keyid: signer.key().id, sig: STANDARD.encode(signature) }],
    })
}
