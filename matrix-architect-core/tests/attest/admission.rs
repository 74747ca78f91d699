//! Only the gate's signed word about exactly this release makes a gated release.

use matrix_architect_core::{
    ErrorKind,
    attest::*,
    id::{Digest, JobId, TenantId},
};

use super::fixture::*;

type Mutate = fn(&mut ReleaseClaim, Digest);

fn gate() -> TrustedKey {
    trusted().speaks_for(GATE)
}

#[test]
fn the_gates_word_admits_the_release_it_is_about() {
    let stored = signed(&summary()).to_bytes();
    let release = admit(&stored, &gate(), &claim()).unwrap();
    assert_eq!(release.job(), &job());
    assert_eq!(release.bundle(), &bundle());
    assert_eq!(release.generation(), 2);
    assert_eq!(release.summary(), &Digest::of(&stored));
}

#[test]
fn a_release_that_differs_in_one_field_is_not_admitted() {
    let stored = signed(&summary()).to_bytes();
    let other = Digest::of("other");
    let mutants: [(&str, Mutate); 8] = [
        ("job", |claim, _| claim.job.id = JobId::new("job_2").unwrap()),
        ("tenant", |claim, _| claim.job.tenant = TenantId::new("evil").unwrap()),
        ("generation", |claim, _| claim.generation = 3),
        ("bundle", |claim, other| claim.bundle = other),
        ("plan", |claim, other| claim.plan_hash = other),
        ("patch", |claim, other| claim.patch_hash = other),
        ("evidence", |claim, other| claim.evidence = other),
        ("binding", |claim, other| claim.binding = other),
    ];
    for (field, mutate) in mutants {
        let mut claim = claim();
        mutate(&mut claim, other);
        let refusal = admit(&stored, &gate(), &claim).expect_err(field);
        let is_right = match field {
            "bundle" => matches!(refusal, VerifyError::SubjectMismatch { .. }),
            _ => matches!(refusal, VerifyError::ClaimMismatch { .. }),
        };
        assert!(is_right, "{field}: {refusal}");
    }
}

#[test]
fn a_failed_gate_admits_nothing() {
    let stored = signed(&failed_summary()).to_bytes();
    assert_eq!(admit(&stored, &gate(), &claim()).unwrap_err(), VerifyError::GateFailed);
}

#[test]
fn another_statement_about_the_same_bundle_admits_nothing() {
    let stored = signed(&provenance()).to_bytes();
    let refusal = admit(&stored, &gate(), &claim()).unwrap_err();
    assert!(matches!(refusal, VerifyError::PredicateType { .. }), "{refusal}");
}

#[test]
fn somebody_elses_gate_admits_nothing() {
    let stored = signed_by(&stranger(), &summary()).to_bytes();
    let refusal = admit(&stored, &gate(), &claim()).unwrap_err();
    assert_eq!(refusal, VerifyError::NotSigned { found: 0, needed: 1 });

    let in_another_name = trusted().speaks_for("https://other.example.org/gate");
    let stored = signed(&summary()).to_bytes();
    let refusal = admit(&stored, &in_another_name, &claim()).unwrap_err();
    assert_eq!(refusal, VerifyError::SpeaksForAnother { id: GATE.into() });
}

#[test]
fn a_second_digest_under_the_same_name_admits_nothing() {
    let mut summary: Summary = serde_json::from_value(summary().predicate().clone()).unwrap();
    let mut second = summary.input_attestations[1].clone();
    second.digest = Digest::of("another patch").into();
    summary.input_attestations.push(second);
    let stored = signed(&summary.statement(&claim()).unwrap()).to_bytes();
    let refusal = admit(&stored, &gate(), &claim()).unwrap_err();
    assert_eq!(refusal, VerifyError::ClaimMismatch { what: "patch" });
}

#[test]
fn a_summary_of_two_bundles_admits_neither() {
    let summary: Summary = serde_json::from_value(summary().predicate().clone()).unwrap();
    let both = [subject(), Subject::new("another", Digest::of("another"))];
    let stored = signed(&Statement::of(both, &summary).unwrap()).to_bytes();
    let refusal = admit(&stored, &gate(), &claim()).unwrap_err();
    assert_eq!(refusal, VerifyError::ClaimMismatch { what: "set of artifacts" });
}

#[test]
fn a_refusal_tells_what_to_do() {
    let stored = signed(&failed_summary()).to_bytes();
    let error = matrix_architect_core::Error::from(admit(&stored, &gate(), &claim()).unwrap_err());
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(error.code_str(), "gate_failed");
    assert!(error.advice_str().is_some_and(|advice| advice.contains("gate")));
}
