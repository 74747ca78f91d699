//! Strangers' verifiers accept what we sign, and refuse it altered.
//!
//! `ARCHITECT_CHECKS` names the folder with `verify_dsse.py` and `sigstore/verify_bundle.mjs`
//! (installed there: `npm install`), `ARCHITECT_CHECKS_PYTHON` a Python with securesystemslib,
//! sigstore and in-toto-attestation.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "the test runs programs on files, is told where they are, and says when it cannot"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use matrix_architect_core::{attest::*, evidence::CheckResult, traits::Signer as _};
use serde_json::json;

use super::fixture::*;

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder of verifiers. Without it the test is skipped; in CI it fails if the folder is named
/// and lacks what it should hold.
fn checks(script: &str) -> Option<PathBuf> {
    let script = variable("ARCHITECT_CHECKS").map(|folder| folder.join(script));
    match script {
        Some(script) if script.is_file() => Some(script),
        Some(script) if variable("ARCHITECT_CI").is_some() => {
            panic!("{} is not there", script.display())
        }
        _ => {
            eprintln!("SKIPPED: ARCHITECT_CHECKS names no folder with {script:?}");
            None
        }
    }
}

fn statements() -> Vec<(&'static str, Statement)> {
    let bom = json!({ "bomFormat": "CycloneDX", "specVersion": "1.6", "components": [] });
    let spdx = json!({ "spdxVersion": "SPDX-2.3", "packages": [] });
    vec![
        ("provenance", provenance()),
        ("summary", summary()),
        ("failed", failed_summary()),
        ("passed", test_result(CheckResult::Passed)),
        ("warned", test_result(CheckResult::Warned)),
        ("inconclusive", test_result(CheckResult::Inconclusive)),
        ("cyclonedx", Statement::new([subject()], "https://cyclonedx.org/bom", &bom).unwrap()),
        ("spdx", Statement::new([subject()], "https://spdx.dev/Document/v2.3", &spdx).unwrap()),
    ]
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Whether a verifier accepts a file, with what it said.
fn judge(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn securesystemslib_and_in_toto_accept_what_we_sign_and_refuse_it_altered() {
    let Some(script) = checks("verify_dsse.py") else { return };
    let python = variable("ARCHITECT_CHECKS_PYTHON").unwrap_or_else(|| "python3".into());
    let folder = tempfile::tempdir().unwrap();
    let key = write(folder.path(), "key.pem", signer().public_pem().as_bytes());
    let verdict = |file: &Path, more: &[&str]| {
        let subject = bundle().to_string();
        let mut command = Command::new(&python);
        command.arg(&script).args([file, &key]).args(["--subject", &subject]).args(more);
        judge(&mut command)
    };
    for (name, statement) in statements() {
        let file = write(folder.path(), name, &signed(&statement).to_bytes());
        let (accepted, said) = verdict(&file, &["--any-keyid"]);
        assert!(accepted, "{name}: {said}");

        let bare = signer().with_key_id(&KeyId::Securesystemslib);
        let file = write(folder.path(), name, &signed_by(&bare, &statement).to_bytes());
        let (accepted, said) = verdict(&file, &[]);
        assert!(accepted, "{name} under the library's own name for the key: {said}");

        let mut altered = signed(&statement);
        altered
            .payload
            .replace_range(40..41, if &altered.payload[40..41] == "A" { "B" } else { "A" });
        let file = write(folder.path(), name, &altered.to_bytes());
        assert!(!verdict(&file, &["--any-keyid"]).0, "{name} altered");
    }
}

#[test]
fn sigstore_accepts_our_bundles_and_refuses_them_altered() {
    let Some(script) = checks("sigstore/verify_bundle.mjs") else { return };
    let folder = tempfile::tempdir().unwrap();
    let key = write(folder.path(), "key.pem", signer().public_pem().as_bytes());
    let verdict = |file: &Path| judge(Command::new("node").arg(&script).args([file, &key]));
    for (name, statement) in statements() {
        let bundle = Bundle::new(signed(&statement), &signer().key()).unwrap();
        let file = write(folder.path(), name, &bundle.to_bytes());
        let (accepted, said) = verdict(&file);
        assert!(accepted, "{name}: {said}");

        let bundle = Bundle::new(signed_by(&stranger(), &statement), &signer().key()).unwrap();
        let file = write(folder.path(), name, &bundle.to_bytes());
        assert!(!verdict(&file).0, "{name} by somebody else");
    }
}

#[test]
fn openssl_reads_the_private_key_and_derives_the_same_public_key() {
    if Command::new("openssl").arg("version").output().is_err() {
        assert!(variable("ARCHITECT_CI").is_none(), "openssl is not there");
        eprintln!("SKIPPED: there is no openssl on this machine");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let private = signer().to_pkcs8_pem().unwrap();
    let file = write(folder.path(), "private.pem", private.expose());
    let mut command = Command::new("openssl");
    let (read, said) = judge(command.args(["pkey", "-pubout", "-in"]).arg(&file));
    assert!(read, "{said}");
    assert_eq!(said.trim(), signer().public_pem().trim());
}
