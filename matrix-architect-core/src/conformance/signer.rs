//! Signatures others can check: every promise of [`Signer`].
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use super::Serves;
use crate::{
    attest::{Expectations, Statement, Subject, TEST_RESULT, TrustedKey, sign, verify},
    error::Result,
    id::Digest,
    traits::Signer,
};

/// Expands to one test per promise of [`Signer`](crate::traits::Signer). The expression makes a
/// harness that serves `dyn Signer`.
#[macro_export]
macro_rules! signer_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            signer,
            $harness,
            [
                a_signature_verifies_under_the_named_key,
                the_key_does_not_change_between_calls,
                the_private_key_never_shows_in_debug,
                an_envelope_it_signed_holds,
            ]
        );
    };
}

/// Promise 1.
pub async fn a_signature_verifies_under_the_named_key(
    harness: impl Serves<dyn Signer>,
) -> Result<()> {
    let signer = harness.backend();
    let key = TrustedKey::of(&signer.key())?;
    let large = vec![0x5a; 1 << 20];
    let messages: [&[u8]; 4] = [b"", b"a", b"DSSEv1 1 a 1 b", &large];
    for message in messages {
        let signature = signer.sign(message).await?;
        assert!(key.signed(message, &signature), "of {} bytes", message.len());
        let longer = [message, b"x"].concat();
        assert!(!key.signed(&longer, &signature), "it holds for other bytes too");
        let hash = Digest::of(message);
        assert!(!key.signed(hash.as_bytes(), &signature), "it is a signature of a hash");
    }
    Ok(())
}

/// Promise 2.
pub async fn the_key_does_not_change_between_calls(
    mut harness: impl Serves<dyn Signer>,
) -> Result<()> {
    let before = harness.backend().key();
    let signature = harness.backend().sign(b"message").await?;
    assert_eq!(harness.backend().key(), before);
    harness.reopen().await;
    let signer = harness.backend();
    assert_eq!(signer.key(), before, "after reopening");
    let key = TrustedKey::of(&signer.key())?;
    assert!(key.signed(b"message", &signature));
    assert!(key.signed(b"message", &signer.sign(b"message").await?));
    Ok(())
}

/// Promise 3. What the private key is only the signer knows; whatever looks like 32 bytes of
/// anything and is neither the key's name nor its public half is taken for it.
pub async fn the_private_key_never_shows_in_debug(harness: impl Serves<dyn Signer>) -> Result<()> {
    let signer = harness.backend();
    let key = signer.key();
    // A signer that opens its key only when it is used shows it only then.
    signer.sign(b"message").await?;
    for shown in [format!("{signer:?}"), format!("{signer:#?}")] {
        let shown = shown.replace(&key.id, "").replace(&key.public_pem, "");
        let is_digit = |c: char| c.is_ascii_alphanumeric() || "+/=-_".contains(c);
        let longest = shown.split(|c| !is_digit(c)).map(str::len).max().unwrap_or(0);
        assert!(longest < 43, "something as long as a key is in {shown}");
        let numbers = shown.split(',').filter(|part| part.trim().parse::<u8>().is_ok()).count();
        assert!(numbers < 30, "something like the bytes of a key is in {shown}");
        assert!(!shown.contains("PRIVATE"), "{shown}");
    }
    Ok(())
}

/// Promise 4.
pub async fn an_envelope_it_signed_holds(harness: impl Serves<dyn Signer>) -> Result<()> {
    let signer = harness.backend();
    let artifact = Digest::of("artifact");
    let predicate = serde_json::json!({ "result": "PASSED", "configuration": [] });
    let statement = Statement::new([Subject::new("artifact", artifact)], TEST_RESULT, &predicate)?;
    let mut envelope = sign(signer.as_ref(), &statement).await?;
    let wanted = Expectations::of(TrustedKey::of(&signer.key())?).subject(artifact);
    let verified = verify(&envelope.to_bytes(), &wanted)?;
    assert_eq!(verified.statement(), &statement);

    let other = Statement::new([Subject::new("other", artifact)], TEST_RESULT, &predicate)?;
    envelope.payload = sign(signer.as_ref(), &other).await?.payload;
    assert!(verify(&envelope.to_bytes(), &wanted).is_err(), "it holds with another payload");
    Ok(())
}
