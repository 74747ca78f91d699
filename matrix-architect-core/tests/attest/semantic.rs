//! Statements that were signed by the right key and prove nothing all the same.

use matrix_architect_core::{attest::*, id::Digest};
use serde_json::{Value, json};

use super::fixture::*;

fn wanted() -> Expectations {
    Expectations::of(trusted()).subject(bundle())
}

/// A good statement, altered before it was signed.
fn signed_after(statement: &Statement, alter: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::to_value(statement).unwrap();
    alter(&mut value);
    signed_bytes(PAYLOAD_TYPE, &serde_json::to_vec(&value).unwrap()).to_bytes()
}

fn signed_text(edit: impl FnOnce(String) -> String) -> Vec<u8> {
    let text = String::from_utf8(provenance().to_bytes()).unwrap();
    let edited = edit(text.clone());
    assert_ne!(edited, text, "the edit did not take");
    signed_bytes(PAYLOAD_TYPE, edited.as_bytes()).to_bytes()
}

fn set(pointer: &'static str, to: impl Into<Value>) -> impl FnOnce(&mut Value) {
    let to = to.into();
    move |value| *value.pointer_mut(pointer).unwrap() = to
}

fn remove(parent: &'static str, key: &'static str) -> impl FnOnce(&mut Value) {
    move |value| {
        value.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(key).unwrap();
    }
}

fn code(stored: &[u8]) -> &'static str {
    verify(stored, &wanted()).map_or_else(|refusal| refusal.code(), |_| "accepted")
}

#[test]
fn a_statement_of_the_wrong_form_is_refused() {
    let run = |alter: Box<dyn FnOnce(&mut Value)>| signed_after(&provenance(), alter);
    let nothing = Value::Null;
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        (
            "another _type",
            run(Box::new(set("/_type", "https://in-toto.io/Statement/v0.1"))),
            "statement_type",
        ),
        ("no _type", run(Box::new(remove("", "_type"))), "malformed"),
        ("an unknown field", run(Box::new(|value| value["extra"] = json!(1))), "malformed"),
        ("no subject", run(Box::new(set("/subject", json!([])))), "no_subject"),
        ("no subject at all", run(Box::new(remove("", "subject"))), "malformed"),
        ("no digest", run(Box::new(set("/subject/0/digest", json!({})))), "subject_without_digest"),
        (
            "a digest in capitals",
            { run(Box::new(set("/subject/0/digest/sha256", bundle().hex().to_uppercase()))) },
            "bad_digest",
        ),
        (
            "a digest cut",
            { run(Box::new(set("/subject/0/digest/sha256", bundle().hex()[..62].to_owned()))) },
            "bad_digest",
        ),
        (
            "a digest that is a number",
            { run(Box::new(set("/subject/0/digest/sha256", 7))) },
            "malformed",
        ),
        (
            "a list for a subject",
            { run(Box::new(set("/subject/0", json!(["bundle", { "sha256": bundle().hex() }])))) },
            "malformed",
        ),
        ("no predicate", run(Box::new(remove("", "predicate"))), "malformed"),
        ("an empty predicate", run(Box::new(set("/predicate", json!({})))), "empty_predicate"),
        ("a predicate that is null", run(Box::new(set("/predicate", nothing))), "empty_predicate"),
        ("no predicate type", run(Box::new(set("/predicateType", ""))), "predicate_type"),
        (
            "an unknown predicate type",
            { run(Box::new(set("/predicateType", "https://example.org/trust-me/v1"))) },
            "predicate_type",
        ),
        (
            "a predicate under another's type",
            run(Box::new(set("/predicateType", SUMMARY))),
            "malformed",
        ),
    ];
    for (class, stored, expected) in cases {
        assert_eq!(code(&stored), format!("attestation_{expected}"), "{class}");
    }
}

#[test]
fn a_predicate_of_the_wrong_form_is_refused() {
    let test_result = || test_result(matrix_architect_core::evidence::CheckResult::Passed);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("a build definition that is a text", {
            signed_after(&provenance(), set("/predicate/buildDefinition", "x"))
        }),
        ("no build type", {
            signed_after(&provenance(), set("/predicate/buildDefinition/buildType", ""))
        }),
        ("no builder", signed_after(&provenance(), remove("/predicate/runDetails", "builder"))),
        ("a builder without id", {
            signed_after(&provenance(), set("/predicate/runDetails/builder/id", ""))
        }),
        ("a time that is none", {
            signed_after(
                &provenance(),
                set("/predicate/runDetails/metadata/finishedOn", "yesterday"),
            )
        }),
        ("a time without zone", {
            let naive = "2026-01-01T10:00:00";
            signed_after(&provenance(), set("/predicate/runDetails/metadata/finishedOn", naive))
        }),
        ("an unknown field", {
            signed_after(&provenance(), |value| value["predicate"]["extra"] = json!(1))
        }),
        ("a list for a builder", {
            signed_after(
                &provenance(),
                set("/predicate/runDetails/builder", json!([BUILDER, {}, []])),
            )
        }),
        ("an unknown result", signed_after(&test_result(), set("/predicate/result", "OK"))),
        ("no configuration", signed_after(&test_result(), remove("/predicate", "configuration"))),
        ("an unknown word of the gate", {
            signed_after(&summary(), set("/predicate/verificationResult", "PASSED?"))
        }),
        ("no verifier", signed_after(&summary(), set("/predicate/verifier/id", ""))),
        ("no resource", signed_after(&summary(), set("/predicate/resourceUri", ""))),
        ("no policy", signed_after(&summary(), set("/predicate/policy/uri", ""))),
        ("no levels", signed_after(&summary(), set("/predicate/verifiedLevels", json!([])))),
        ("two levels of one track", {
            let levels = json!(["SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_3"]);
            signed_after(&summary(), set("/predicate/verifiedLevels", levels))
        }),
        ("passed and failed at once", {
            signed_after(&summary(), set("/predicate/verifiedLevels", json!(["FAILED"])))
        }),
        ("an input without digest", {
            signed_after(&summary(), set("/predicate/inputAttestations/0/digest", json!({})))
        }),
    ];
    for (class, stored) in cases {
        let refusal = verify(&stored, &wanted()).expect_err(class);
        let is_right = matches!(refusal, VerifyError::Malformed { part: Part::Predicate, .. });
        assert!(is_right, "{class}: {refusal}");
    }
}

#[test]
fn a_key_that_stands_twice_is_refused_at_every_depth() {
    let cases = [
        ("at the top", signed_text(|text| text.replacen('{', "{\"predicateType\":\"x\",", 1))),
        ("in a subject", {
            signed_text(|text| text.replacen("\"name\":", "\"name\":\"other\",\"name\":", 1))
        }),
        ("in a digest", {
            signed_text(|text| text.replacen("\"sha256\":", "\"sha256\":\"00\",\"sha256\":", 1))
        }),
        ("deep in the predicate", {
            signed_text(|text| text.replacen("\"goal\":", "\"goal\":\"harmless\",\"goal\":", 1))
        }),
        ("spelt with an escape", {
            signed_text(|text| {
                text.replacen("\"goal\":", "\"g\\u006fal\":\"harmless\",\"goal\":", 1)
            })
        }),
        ("in a list in an annotation", {
            signed_text(|text| text.replacen("\"kind\":", "\"x\":[{\"a\":1,\"a\":2}],\"kind\":", 1))
        }),
    ];
    for (class, stored) in cases {
        assert_eq!(code(&stored), "attestation_duplicate_key", "{class}");
    }
}

#[test]
fn a_statement_about_another_artifact_is_refused() {
    let other = Digest::of("another bundle");
    let stored = signed(&provenance()).to_bytes();
    let refusal = verify(&stored, &Expectations::of(trusted()).subject(other)).unwrap_err();
    assert_eq!(refusal, VerifyError::SubjectMismatch { digest: other });

    let both = wanted().subject(other);
    assert!(verify(&stored, &both).is_err(), "one of two artifacts is not enough");
}

#[test]
fn a_digest_under_another_algorithm_binds_nothing() {
    let digest = json!({ "gitCommit": bundle().hex() });
    let stored = signed_after(&provenance(), set("/subject/0/digest", digest));
    assert_eq!(code(&stored), "attestation_subject_mismatch");
}

#[test]
fn a_statement_from_another_time_is_refused() {
    let stored = signed(&summary()).to_bytes();
    let within = |not_before, not_after| {
        let window = Window { not_before: at(not_before), not_after: at(not_after) };
        verify(&stored, &wanted().window(window)).map_or_else(|refusal| refusal.code(), |_| "ok")
    };
    assert_eq!(within("2026-01-01T10:01:30Z", "2026-01-01T10:01:30Z"), "ok");
    let expired = within("2026-01-01T10:01:30.000001Z", "2027-01-01T00:00:00Z");
    assert_eq!(expired, "attestation_outside_window");
    let from_the_future = within("2025-01-01T00:00:00Z", "2026-01-01T10:01:29.999999Z");
    assert_eq!(from_the_future, "attestation_outside_window");

    let timeless = signed(&test_result(matrix_architect_core::evidence::CheckResult::Passed));
    let window =
        Window { not_before: at("2025-01-01T00:00:00Z"), not_after: at("2027-01-01T00:00:00Z") };
    let refusal = verify(&timeless.to_bytes(), &wanted().window(window)).unwrap_err();
    assert_eq!(refusal, VerifyError::NoTime);
}

#[test]
fn a_key_speaks_only_for_whom_it_may() {
    let gate = || Expectations::of(trusted().speaks_for(GATE));
    assert!(verify(&signed(&summary()).to_bytes(), &gate()).is_ok());

    let refusal = verify(&signed(&provenance()).to_bytes(), &gate()).unwrap_err();
    assert_eq!(refusal, VerifyError::SpeaksForAnother { id: BUILDER.into() });

    let nameless = test_result(matrix_architect_core::evidence::CheckResult::Passed);
    let refusal = verify(&signed(&nameless).to_bytes(), &gate()).unwrap_err();
    assert_eq!(refusal, VerifyError::Nameless);
}

#[test]
fn a_statement_of_another_type_than_asked_for_is_refused() {
    let stored = signed(&provenance()).to_bytes();
    let refusal = verify(&stored, &wanted().predicate_type(SUMMARY)).unwrap_err();
    assert_eq!(refusal, VerifyError::PredicateType { found: PROVENANCE.into() });
}

#[test]
fn every_refusal_says_what_to_do() {
    let stored = signed(&provenance()).to_bytes();
    let refusal = verify(&stored, &wanted().predicate_type(SUMMARY)).unwrap_err();
    let error = matrix_architect_core::Error::from(refusal);
    let text = error.to_string();
    assert!(text.contains(PROVENANCE) && text.contains("predicate type"), "{text}");
}
