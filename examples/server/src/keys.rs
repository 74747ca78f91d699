//! The key this installation signs with: made at its first use, kept in a file only its owner can
//! read, with the public half beside it.

use matrix_architect_core::{
    attest::Ed25519Signer,
    error::{Error, ErrorKind, Result},
    secret::Secret,
};

use crate::home::{Home, read_private, write_atomically};

/// Reads the signing key, or makes one if there is none.
///
/// # Errors
/// `Denied` if others can read the key, `Invalid` if it is not one, `Unavailable` if it cannot be
/// written.
pub fn open(home: &Home) -> Result<Ed25519Signer> {
    let path = home.signing_key();
    if !path.exists() {
        create(home)?;
    }
    let signer = Ed25519Signer::from_pkcs8_pem(&Secret::new(read_private(&path)?))
        .map_err(|error| error.context("path", path.display()))?;
    let public = home.public_key();
    let written = std::fs::read_to_string(&public).unwrap_or_default();
    if written != signer.public_pem() {
        write_atomically(&public, signer.public_pem().as_bytes(), 0o644)?;
    }
    Ok(signer)
}

/// Makes a key. Of two processes that do so at once, one wins and both use its key.
fn create(home: &Home) -> Result<()> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|cause| {
        Error::new(ErrorKind::Unavailable, "the system gives no random bytes").source(cause)
    })?;
    let key = Ed25519Signer::from_seed(seed).to_pkcs8_pem()?;
    let path = home.signing_key();
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    write_atomically(&draft, key.expose(), 0o600)?;
    // Unlike a rename, a link never replaces a key that is there by now.
    let linked = std::fs::hard_link(&draft, &path);
    let _ = std::fs::remove_file(&draft);
    match linked {
        Err(cause) if cause.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(crate::home::unusable(&path, cause))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_only_its_owner_can_read_it() {
        let base = tempfile::tempdir().unwrap();
        let home = Home::open(base.path()).unwrap();
        let first = open(&home).unwrap();
        let second = open(&home).unwrap();
        assert_eq!(first.public_pem(), second.public_pem());
        let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(home.signing_key()), 0o600);
        assert_eq!(std::fs::read_to_string(home.public_key()).unwrap(), first.public_pem());
        let left = std::fs::read_dir(home.path().join("keys")).unwrap().count();
        assert_eq!(left, 2, "no draft is left behind");
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_not_replaced() {
        let base = tempfile::tempdir().unwrap();
        let home = Home::open(base.path()).unwrap();
        write_atomically(&home.signing_key(), b"not a key", 0o600).unwrap();
        let error = open(&home).unwrap_err().to_string();
        assert!(error.contains("signing.pem") && !error.contains("not a key "), "{error}");
        assert_eq!(std::fs::read(home.signing_key()).unwrap(), b"not a key");
    }
}
