//! Signed statements: DSSE envelopes, in-toto statements, SLSA provenance and verification
//! summaries, and the strict verifier of all of them.
//!
//! What is signed is the bytes that are stored; nothing is canonicalised. The way in is [`sign`],
//! the way out is [`verify`], and what comes out of it is a [`VerifiedStatement`] that nobody else
//! can make. [`admit`] turns a verified summary into the
//! [`GatedRelease`](crate::release::GatedRelease) that a deployer asks for.
//!
//! ```
//! use matrix_architect_core::{attest::*, id::Digest};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # async fn run() -> matrix_architect_core::Result<()> {
//! let signer = Ed25519Signer::from_seed([7; 32]);
//! let artifact = Digest::of(b"the artifact");
//! let predicate = serde_json::json!({ "result": "PASSED", "configuration": [] });
//! let statement = Statement::new([Subject::new("app.tar", artifact)], TEST_RESULT, &predicate)?;
//!
//! let stored = sign(&signer, &statement).await?.to_bytes();
//!
//! let wanted = Expectations::of(TrustedKey::from_pem(signer.public_pem())?).subject(artifact);
//! let verified = verify(&stored, &wanted)?;
//! assert_eq!(verified.statement(), &statement);
//! assert!(verify(&stored, &wanted.subject(Digest::of(b"another"))).is_err());
//! # Ok(()) }
//! # run().await.unwrap() }
//! ```

mod admit;
mod bundle;
mod envelope;
mod error;
mod expect;
mod json;
mod key;
mod parameters;
mod provenance;
mod sign;
mod statement;
mod summary;
mod test_result;
mod trust;
mod verify;

pub use admit::admit;
pub use bundle::Bundle;
pub use envelope::{Envelope, PAYLOAD_TYPE, Signature, pre_authentication_encoding};
pub use error::{Part, VerifyError};
pub use expect::{Expectations, Window};
pub use key::{Ed25519Signer, KeyId};
pub use provenance::{
    BUILD_TYPE, BuildDefinition, BuildMetadata, Builder, PROVENANCE, Provenance, RunDetails,
};
pub use sign::{sign, sign_bytes};
pub use statement::{DigestSet, Predicate, Resource, STATEMENT, Statement, Subject};
pub use summary::{
    PolicyRef, ReleaseClaim, SUMMARY, Summary, SummaryInput, SummaryVerifier, VerificationResult,
};
pub use test_result::{TEST_RESULT, TestOutcome, TestResult};
pub use trust::TrustedKey;
pub use verify::{VerifiedStatement, verify};
