//! Envelopes that were altered or made by somebody else: refused, each for its own reason.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use matrix_architect_core::{attest::*, id::Digest, traits::Signer as _};
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use super::fixture::*;

fn wanted() -> Expectations {
    Expectations::of(trusted()).subject(bundle())
}

fn code(stored: &[u8], wanted: &Expectations) -> &'static str {
    verify(stored, wanted).map_or_else(|refusal| refusal.code(), |_| "accepted")
}

/// A good envelope with one thing changed.
fn altered(alter: impl FnOnce(&mut Envelope)) -> Vec<u8> {
    let mut envelope = signed(&provenance());
    alter(&mut envelope);
    envelope.to_bytes()
}

/// A good payload under a signature of these bytes.
fn with_signature(signature: &[u8]) -> Vec<u8> {
    altered(|envelope| envelope.signatures[0].sig = STANDARD.encode(signature))
}

fn payload() -> Vec<u8> {
    provenance().to_bytes()
}

fn message() -> Vec<u8> {
    pre_authentication_encoding(PAYLOAD_TYPE, &payload())
}

fn flip(bytes: &mut [u8], at: usize) {
    bytes[at] ^= 1;
}

/// The other signature with the same R: s + L, where L is the order of the group.
fn malleated() -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde,
        0x14, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut signature = raw_signature(&message());
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    signature
}

#[test]
fn a_signature_that_is_not_of_these_bytes_is_refused() {
    let bit = |at: usize| {
        let mut signature = raw_signature(&message());
        flip(&mut signature, at);
        with_signature(&signature)
    };
    let reworded = |edit: fn(String) -> String| {
        altered(|envelope| {
            let text = String::from_utf8(payload()).unwrap();
            envelope.payload = STANDARD.encode(edit(text));
        })
    };
    let truncated = raw_signature(&message())[..63].to_vec();
    let longer = [raw_signature(&message()), vec![0]].concat();
    let as_base64 =
        pre_authentication_encoding(PAYLOAD_TYPE, STANDARD.encode(payload()).as_bytes());
    let forged: Vec<(&str, Vec<u8>)> = vec![
        ("payload edited", reworded(|text| text.replace("morning", "evening"))),
        ("payload with one more blank", reworded(|text| format!("{text} "))),
        ("payload with another order", reworded(|text| text.replacen("{\"", "{ \"", 1))),
        ("payload of another statement", {
            altered(|envelope| envelope.payload = STANDARD.encode(summary().to_bytes()))
        }),
        ("first half flipped", bit(0)),
        ("second half flipped", bit(40)),
        ("last bit flipped", bit(63)),
        ("signature cut", with_signature(&truncated)),
        ("signature longer", with_signature(&longer)),
        ("signature empty", with_signature(&[])),
        ("signature of zeros", with_signature(&[0; 64])),
        ("signed without encoding", with_signature(&raw_signature(&payload()))),
        ("signed over base 64", with_signature(&raw_signature(&as_base64))),
        ("signed over a hash", with_signature(&raw_signature(&Sha512::digest(message())))),
        ("signature malleated", with_signature(&malleated())),
        ("signature of another envelope", {
            altered(|envelope| envelope.signatures = signed(&summary()).signatures)
        }),
        ("another key under the same name", {
            let name = KeyId::Custom(signer().key().id);
            signed_by(&stranger().with_key_id(&name), &provenance()).to_bytes()
        }),
        ("another key", signed_by(&stranger(), &provenance()).to_bytes()),
    ];
    assert_refused("attestation_not_signed", forged);
}

fn text() -> String {
    String::from_utf8(altered(|_| {})).unwrap()
}

fn edited(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut value = serde_json::to_value(signed(&provenance())).unwrap();
    edit(&mut value);
    serde_json::to_vec(&value).unwrap()
}

fn assert_refused(code_of_class: &str, classes: impl IntoIterator<Item = (&'static str, Vec<u8>)>) {
    for (class, stored) in classes {
        assert_eq!(code(&stored, &wanted()), code_of_class, "{class}");
    }
}

#[test]
fn an_envelope_with_a_key_twice_is_refused() {
    let forge = |at: &str, with: &str| text().replacen(at, with, 1).into_bytes();
    assert_refused(
        "attestation_duplicate_key",
        [
            ("before the payload", forge("{", r#"{"payload":"e30=","#)),
            ("after the payload", forge(r#""signatures""#, r#""payload":"e30=","signatures""#)),
            ("spelt with an escape", forge("{", r#"{"p\u0061yload":"e30=","#)),
            ("in a signature", forge(r#""sig":"#, r#""sig":"AA==","sig":"#)),
        ],
    );
}

#[test]
fn an_envelope_of_the_wrong_form_is_refused() {
    let as_list = |value: &mut Value| {
        let fields = ["payload", "payloadType", "signatures"].map(|field| value[field].take());
        *value = fields.into_iter().collect();
    };
    let without_type = |value: &mut Value| {
        value.as_object_mut().unwrap().remove("payloadType").unwrap();
    };
    assert_refused(
        "attestation_malformed",
        [
            ("an unknown field", edited(|value| value["extra"] = 1.into())),
            ("a certificate", edited(|value| value["signatures"][0]["cert"] = "x".into())),
            ("a list for an object", edited(as_list)),
            ("no payload type", edited(without_type)),
            ("something behind it", [text(), "{}".into()].concat().into_bytes()),
            ("cut", text().into_bytes()[..text().len() - 1].to_vec()),
            ("nothing", Vec::new()),
            ("not JSON", b"\xff\xfe".to_vec()),
            ("deeper than anybody reads", vec![b'['; 100_000]),
        ],
    );
    let large = vec![b' '; (64 << 20) + 1];
    assert_refused("attestation_too_large", [("larger than anything we sign", large)]);
}

#[test]
fn an_envelope_whose_fields_do_not_fit_is_refused() {
    assert_refused(
        "attestation_not_base64",
        [
            ("a blank in the payload", altered(|envelope| envelope.payload.insert(4, ' '))),
            ("two alphabets", altered(|envelope| envelope.payload = "+_+_".into())),
            ("stray bits", altered(|envelope| envelope.payload = "e31=".into())),
            ("a signature of signs", altered(|envelope| envelope.signatures[0].sig = "?".into())),
        ],
    );
    let rename = |envelope: &mut Envelope| {
        envelope.signatures[0].keyid.replace_range(9..10, "x");
    };
    assert_refused("attestation_key_id", [("another name for the key", altered(rename))]);
    let retype = |envelope: &mut Envelope| envelope.payload_type = "text/plain".into();
    assert_refused("attestation_payload_type", [("another type", altered(retype))]);
    let strip = |envelope: &mut Envelope| envelope.signatures.clear();
    assert_refused("attestation_unsigned", [("no signature", altered(strip))]);
    let many = |envelope: &mut Envelope| {
        envelope.signatures = vec![envelope.signatures[0].clone(); 17];
    };
    assert_refused("attestation_too_many_signatures", [("17 signatures", altered(many))]);
}

#[test]
fn a_bundle_that_was_altered_is_refused() {
    let good = serde_json::to_value(Bundle::new(signed(&provenance()), &signer().key()).unwrap());
    let good = good.unwrap();
    let json = |pointer: &str, value: Value| {
        let mut bundle = good.clone();
        *bundle.pointer_mut(pointer).unwrap() = value;
        serde_json::to_vec(&bundle).unwrap()
    };
    let signature = good["dsseEnvelope"]["signatures"][0].clone();
    let forged = [
        ("another hint", json("/verificationMaterial/publicKey/hint", "AAAA".into())),
        ("another version", json("/mediaType", "application/vnd.dev.sigstore.bundle+json".into())),
        ("a log entry", json("/verificationMaterial/tlogEntries", serde_json::json!([{}]))),
        (
            "two signatures",
            json("/dsseEnvelope/signatures", serde_json::json!([signature, signature])),
        ),
        ("no signature", json("/dsseEnvelope/signatures", serde_json::json!([]))),
        ("another type", json("/dsseEnvelope/payloadType", "text/plain".into())),
        ("another payload", json("/dsseEnvelope/payload", "e30=".into())),
    ];
    for (class, stored) in forged {
        assert_ne!(code(&stored, &wanted()), "accepted", "{class}");
    }
}

#[test]
fn the_same_key_twice_is_one_signature() {
    let twice = altered(|envelope| {
        let mut again = envelope.signatures[0].clone();
        again.keyid = KeyId::Securesystemslib.of(&public());
        envelope.signatures.push(again);
    });
    let two = wanted().threshold(2.try_into().unwrap());
    assert_eq!(code(&twice, &two), "attestation_not_signed");
    let trusted_twice = two.or(trusted());
    assert_eq!(code(&twice, &trusted_twice), "attestation_not_signed");
}

#[test]
fn a_signature_of_a_stranger_counts_for_nothing() {
    let both = altered(|envelope| {
        envelope.signatures.extend(signed_by(&stranger(), &provenance()).signatures);
    });
    assert_eq!(code(&both, &wanted().threshold(2.try_into().unwrap())), "attestation_not_signed");
    assert_eq!(code(&both, &wanted()), "accepted");
}

#[test]
fn a_key_that_anybody_can_sign_for_is_not_trusted() {
    // The neutral element: under it an all-zero scalar signs every message for lenient verifiers.
    let spki = [
        &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 1][..],
        &[0; 31][..],
    ]
    .concat();
    let body = STANDARD.encode(spki);
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n");
    assert!(TrustedKey::from_pem(&pem).is_err());
    assert!(TrustedKey::from_pem("no key").is_err());
}

fn public() -> [u8; 32] {
    let pem = signer().public_pem().to_owned();
    let der = STANDARD.decode(pem.lines().nth(1).unwrap()).unwrap();
    assert_eq!(Digest::of(&der), Digest::of(&der[..]));
    der[12..].try_into().unwrap()
}
