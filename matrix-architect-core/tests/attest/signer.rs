//! The Ed25519 signer keeps every promise of a signer.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use matrix_architect_core::{
    attest::Ed25519Signer,
    conformance::{Harness, Serves},
    time::Timestamp,
    traits::Signer,
};

use super::fixture::{at, signer};

/// A signer whose key is kept as PKCS#8 and read again.
#[derive(Debug)]
struct KeyFile(Arc<Ed25519Signer>);

#[async_trait]
impl Harness for KeyFile {
    async fn now(&self) -> Timestamp {
        at("2026-01-01T10:00:00Z")
    }

    async fn elapse(&mut self, _: Duration) {}

    async fn reopen(&mut self) {
        let kept = self.0.to_pkcs8_pem().unwrap();
        self.0 = Arc::new(Ed25519Signer::from_pkcs8_pem(&kept).unwrap());
    }
}

impl Serves<dyn Signer> for KeyFile {
    fn backend(&self) -> Arc<dyn Signer> {
        Arc::<Ed25519Signer>::clone(&self.0)
    }
}

matrix_architect_core::signer_suite!(KeyFile(Arc::new(signer())));
