//! Ed25519 keys: pure Ed25519 after [RFC 8032](https://www.rfc-editor.org/rfc/rfc8032), the one
//! algorithm whose signatures are the same bytes each time and need no randomness.

use std::fmt;

use async_trait::async_trait;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use ed25519_dalek::{
    Signer as _, SigningKey, VerifyingKey,
    pkcs8::{
        DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, KeypairBytes,
        spki::der::pem::LineEnding,
    },
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::{
    error::{Error, Result},
    id::hex,
    secret::Secret,
    traits::{KeyInfo, SignatureAlgorithm, Signer},
};

/// How a key is named in envelopes. The name is a hint and proves nothing, but strangers' verifiers
/// differ in which hint they accept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyId {
    /// `SHA256:` and the unpadded base 64 that `ssh-keygen -l` prints. Go verifiers that pin no key
    /// id skip every other name.
    #[default]
    SshFingerprint,
    /// The hexadecimal SHA-256 of the canonical key JSON of The Update Framework, which
    /// securesystemslib expects of a key it was given without a name.
    Securesystemslib,
    /// No name.
    Empty,
    /// A name of the operator's choice.
    Custom(String),
}

impl KeyId {
    /// The name of a raw public key of 32 bytes.
    pub fn of(&self, public: &[u8; 32]) -> String {
        match self {
            Self::SshFingerprint => ssh_fingerprint(public),
            Self::Securesystemslib => securesystemslib(public),
            Self::Empty => String::new(),
            Self::Custom(name) => name.clone(),
        }
    }
}

/// Signs with an Ed25519 key held in memory. The key is wiped when the signer is dropped and shows
/// in no output.
pub struct Ed25519Signer {
    key: SigningKey,
    info: KeyInfo,
}

impl Ed25519Signer {
    /// The key of a seed of 32 random bytes.
    ///
    /// ```
    /// use matrix_architect_core::{attest::Ed25519Signer, traits::Signer};
    ///
    /// let signer = Ed25519Signer::from_seed([7; 32]);
    /// assert!(signer.key().id.starts_with("SHA256:"));
    /// assert!(signer.public_pem().starts_with("-----BEGIN PUBLIC KEY-----"));
    /// ```
    pub fn from_seed(seed: impl Into<Zeroizing<[u8; 32]>>) -> Self {
        let seed = seed.into();
        Self::new(SigningKey::from_bytes(&seed))
    }

    /// The key of a PKCS#8 file in PEM ([RFC 8410](https://www.rfc-editor.org/rfc/rfc8410)).
    ///
    /// # Errors
    /// `Invalid` if it is not an unencrypted Ed25519 key; the text is not in the error.
    pub fn from_pkcs8_pem(pem: &Secret) -> Result<Self> {
        // The cause is left out on purpose: it could quote the key.
        let key = pem.expose_str().ok().and_then(|text| SigningKey::from_pkcs8_pem(text).ok());
        key.map(Self::new).ok_or_else(|| {
            Error::invalid("not an Ed25519 private key in PKCS#8 PEM")
                .advice("give an unencrypted key as 'openssl genpkey -algorithm ed25519' writes it")
        })
    }

    /// Names the key differently in the envelopes it signs.
    #[must_use]
    pub fn with_key_id(mut self, id: &KeyId) -> Self {
        self.info.id = id.of(self.key.verifying_key().as_bytes());
        self
    }

    /// The private key as PKCS#8 PEM, to be written to a file only its owner can read.
    ///
    /// # Errors
    /// `Unexpected` if it cannot be encoded.
    pub fn to_pkcs8_pem(&self) -> Result<Secret> {
        // Version 1 without the public key: OpenSSL before 3.0 reads no other.
        let bytes = KeypairBytes { secret_key: self.key.to_bytes(), public_key: None };
        bytes
            .to_pkcs8_pem(LineEnding::LF)
            .map(|pem| Secret::new(pem.as_bytes()))
            .map_err(|_| Error::unexpected("the private key cannot be encoded"))
    }

    /// The public key as SPKI PEM, as [`KeyInfo::public_pem`] has it.
    pub fn public_pem(&self) -> &str {
        &self.info.public_pem
    }

    fn new(key: SigningKey) -> Self {
        let public = key.verifying_key();
        let info = KeyInfo {
            id: KeyId::default().of(public.as_bytes()),
            algorithm: SignatureAlgorithm::Ed25519,
            public_pem: spki_pem(&public),
        };
        Self { key, info }
    }
}

#[async_trait]
impl Signer for Ed25519Signer {
    fn key(&self) -> KeyInfo {
        self.info.clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        Ok(self.key.sign(message).to_vec())
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ed25519Signer").field("key", &self.info.id).finish_non_exhaustive()
    }
}

/// SPKI DER of an Ed25519 key: a fixed head and the 32 bytes (RFC 8410, section 4).
pub(super) fn spki_der(public: &[u8; 32]) -> Vec<u8> {
    const HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    [HEAD.as_slice(), public].concat()
}

/// The hint of a Sigstore bundle: the base 64 of the SHA-256 of the SPKI DER.
pub(super) fn sigstore_hint(public: &[u8; 32]) -> String {
    STANDARD.encode(Sha256::digest(spki_der(public)))
}

fn spki_pem(public: &VerifyingKey) -> String {
    public.to_public_key_pem(LineEnding::LF).unwrap_or_else(|_| {
        let body = STANDARD.encode(spki_der(public.as_bytes()));
        format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    })
}

fn ssh_fingerprint(public: &[u8; 32]) -> String {
    const NAME: &[u8] = b"ssh-ed25519";
    let blob = [&[0, 0, 0, 11], NAME, &[0, 0, 0, 32], public.as_slice()].concat();
    format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

fn securesystemslib(public: &[u8; 32]) -> String {
    let (public, scheme) = (hex(public), "ed25519");
    let json =
        format!(r#"{{"keytype":"{scheme}","keyval":{{"public":"{public}"}},"scheme":"{scheme}"}}"#);
    hex(&Sha256::digest(json))
}
