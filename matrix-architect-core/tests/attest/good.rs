//! What holds.

use matrix_architect_core::{
    attest::*, evidence::CheckResult, secret::Secret, traits::Signer as _,
};
use serde_json::json;

use super::fixture::*;

fn wanted() -> Expectations {
    Expectations::of(trusted()).subject(bundle())
}

#[test]
fn every_statement_we_sign_is_one_we_accept() {
    for statement in [
        provenance(),
        summary(),
        failed_summary(),
        test_result(CheckResult::Passed),
        test_result(CheckResult::Warned),
        test_result(CheckResult::Failed),
    ] {
        let stored = signed(&statement).to_bytes();
        let verified = verify(&stored, &wanted()).unwrap();
        assert_eq!(verified.statement(), &statement);
        assert_eq!(verified.bytes(), statement.to_bytes());
        assert_eq!(verified.keys(), [signer().key().id]);
    }
}

#[test]
fn every_name_of_the_key_is_accepted_and_no_other() {
    let names = [
        KeyId::SshFingerprint,
        KeyId::Securesystemslib,
        KeyId::Empty,
        KeyId::Custom("release key 2026".into()),
    ];
    for name in names {
        let signer = signer().with_key_id(&name);
        let stored = signed_by(&signer, &provenance()).to_bytes();
        let wanted = Expectations::of(TrustedKey::of(&signer.key()).unwrap());
        assert!(verify(&stored, &wanted).is_ok(), "{name:?}");
    }
    let named = signer().with_key_id(&KeyId::Custom("release key 2026".into()));
    let stored = signed_by(&named, &provenance()).to_bytes();
    let refusal = verify(&stored, &wanted()).unwrap_err();
    assert_eq!(refusal, VerifyError::KeyIdMismatch { named: "release key 2026".into() });
}

#[test]
fn a_key_is_called_what_other_tools_call_it() {
    let signer = signer();
    assert_eq!(signer.key().id, "SHA256:QUOx3LsDZLHIXsCMm21MydA0MPe71uOa5tFVwyO8W38");
    let other = signer.with_key_id(&KeyId::Securesystemslib).key().id;
    assert!(other.starts_with("6a61937f") && other.len() == 64, "{other}");
}

#[test]
fn both_alphabets_of_base_64_are_read() {
    use base64::{
        Engine as _,
        engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD},
    };
    let payload = format!("{}   ", String::from_utf8(provenance().to_bytes()).unwrap());
    let envelope = signed_bytes(PAYLOAD_TYPE, payload.as_bytes());
    let signature = STANDARD.decode(&envelope.signatures[0].sig).unwrap();
    for alphabet in [URL_SAFE, URL_SAFE_NO_PAD] {
        let mut safe = envelope.clone();
        safe.payload = alphabet.encode(&payload);
        safe.signatures[0].sig = alphabet.encode(&signature);
        assert!(verify(&safe.to_bytes(), &wanted()).is_ok());
    }
}

#[test]
fn a_bundle_holds_like_its_envelope() {
    let bundle = Bundle::new(signed(&summary()), &signer().key()).unwrap();
    let verified = verify(&bundle.to_bytes(), &wanted()).unwrap();
    assert_eq!(verified.predicate::<Summary>().unwrap().verifier.id, GATE);
}

#[test]
fn two_keys_reach_a_threshold_of_two() {
    let mut envelope = signed(&provenance());
    envelope.signatures.extend(signed_by(&stranger(), &provenance()).signatures);
    let two =
        wanted().or(TrustedKey::of(&stranger().key()).unwrap()).threshold(2.try_into().unwrap());
    assert_eq!(verify(&envelope.to_bytes(), &two).unwrap().keys().len(), 2);
}

#[test]
fn a_predicate_nobody_here_makes_is_accepted_when_it_is_asked_for() {
    let document = json!({ "bomFormat": "CycloneDX", "specVersion": "1.6", "components": [] });
    let bom = Statement::new([subject()], "https://cyclonedx.org/bom", &document).unwrap();
    let stored = signed(&bom).to_bytes();
    assert!(verify(&stored, &wanted().predicate_type("https://cyclonedx.org/bom")).is_ok());
    assert!(matches!(verify(&stored, &wanted()), Err(VerifyError::PredicateType { .. })));
}

#[test]
fn a_private_key_survives_its_file_and_shows_nowhere() {
    let signer = signer();
    let pem = signer.to_pkcs8_pem().unwrap();
    let again = Ed25519Signer::from_pkcs8_pem(&pem).unwrap();
    assert_eq!(again.key(), signer.key());

    let body = pem.expose_str().unwrap().lines().nth(1).unwrap().to_owned();
    let refusal = Ed25519Signer::from_pkcs8_pem(&Secret::new(format!("X{body}"))).unwrap_err();
    for shown in [format!("{signer:?}"), format!("{pem:?}"), format!("{refusal:?} {refusal}")] {
        assert!(!shown.contains(&body), "{shown}");
    }
}

#[test]
fn a_key_openssl_wrote_is_read() {
    // openssl genpkey -algorithm ed25519 on the seed of the test vector of RFC 8410, section 10.3.
    let pem = "-----BEGIN PRIVATE KEY-----\n\
               MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
               -----END PRIVATE KEY-----\n";
    let signer = Ed25519Signer::from_pkcs8_pem(&Secret::new(pem)).unwrap();
    assert!(
        signer
            .public_pem()
            .contains("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=")
    );
    assert_eq!(signer.to_pkcs8_pem().unwrap().expose_str().unwrap(), pem);
}

#[test]
fn the_provenance_of_a_job_says_everything_but_its_secrets() {
    let provenance = provenance();
    let text = String::from_utf8(provenance.to_bytes()).unwrap();
    for told in ["Say good morning", "acme/job_1", "gitCommit", "rust.test", "production", "git"] {
        assert!(text.contains(told), "{told} in {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn what_could_not_be_decided_is_never_passed() {
    let statement = test_result(CheckResult::Inconclusive);
    assert_eq!(statement.predicate()["result"], "FAILED");
    assert!(statement.predicate().get("passedTests").is_none());
}

#[test]
fn a_statement_about_nothing_is_not_made() {
    let nothing = Statement::new([], PROVENANCE, &json!({ "a": 1 })).unwrap_err();
    assert!(nothing.to_string().contains("about nothing"), "{nothing}");
    assert!(Statement::new([subject()], PROVENANCE, &json!({})).is_err());
    assert!(Statement::new([subject()], "", &json!({ "a": 1 })).is_err());
}

#[test]
fn signatures_are_the_same_bytes_on_every_machine() {
    // The same as those of Python's cryptography, and accepted by securesystemslib 1.6.0.
    let envelope = signed_bytes("http://example.com/HelloWorld", b"hello world");
    insta::assert_json_snapshot!(envelope);
}
