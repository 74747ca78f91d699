//! A verifier that comes to what it is told.

use std::{sync::Mutex, time::Duration};

use async_trait::async_trait;

use super::locked;
use crate::{
    error::{Error, ErrorKind, Result},
    evidence::{CheckResult, Evidence, EvidenceKind},
    tenant::JobRef,
    traits::{CommandOutcome, Fence, Verifier, VerifyContext},
};

/// A verifier that comes to what it is told, check by check, and packs the changed tree.
#[derive(Debug, Default)]
pub struct ScriptedVerifier {
    checks: Vec<(String, CheckResult)>,
    takes: Duration,
    faults: Mutex<Vec<Error>>,
    leases: Mutex<Vec<(JobRef, Fence)>>,
}

impl ScriptedVerifier {
    /// Comes to these results.
    pub fn new<'a>(checks: impl IntoIterator<Item = (&'a str, CheckResult)>) -> Self {
        let checks = checks.into_iter().map(|(name, result)| (name.to_owned(), result)).collect();
        Self { checks, ..Self::default() }
    }

    /// Takes that long, unless it is stopped.
    #[must_use]
    pub const fn taking(mut self, time: Duration) -> Self {
        self.takes = time;
        self
    }

    /// Meets this error instead, the next time.
    pub fn fail_once(&self, error: Error) {
        locked(&self.faults).push(error);
    }

    /// How often it was asked.
    pub fn runs(&self) -> usize {
        locked(&self.leases).len()
    }

    /// For which job it was asked, and under which lease, each time.
    pub fn leases(&self) -> Vec<(JobRef, Fence)> {
        locked(&self.leases).clone()
    }
}

#[async_trait]
impl Verifier for ScriptedVerifier {
    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn verify(&self, cx: &VerifyContext<'_>) -> Result<CommandOutcome> {
        locked(&self.leases).push((cx.job.clone(), cx.fence));
        let fault = locked(&self.faults).pop();
        if let Some(error) = fault {
            return Err(error);
        }
        tokio::select! {
            () = tokio::time::sleep(self.takes) => {}
            () = cx.cancel.cancelled() => {
                return Err(Error::new(ErrorKind::Cancelled, "the checks were stopped"));
            }
        }
        for (name, result) in &self.checks {
            cx.sink.log(format!("{name}: {result:?}\n").as_bytes());
            let at = cx.clock.now();
            let evidence = Evidence::new(EvidenceKind::TestResults, name, *result, at)
                .summary(format!("{result:?}").to_lowercase());
            cx.sink.evidence(evidence).await?;
        }
        Ok(CommandOutcome::new(cx.tree.pack().await?))
    }
}
