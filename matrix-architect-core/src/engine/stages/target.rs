//! One target under its lock.

use std::{sync::Arc, time::Duration};

use tokio::task::JoinHandle;

use super::StageContext;
use crate::{
    engine::journal::JobJournal,
    error::{Error, ErrorKind, Result},
    release::DeploymentConfig,
    traits::{DeployContext, Fence, LockKey, LogSink as _},
};

/// The lock of one target: nobody else deploys there while it is held. It is renewed by a task of
/// its own; the target's own fence stands behind it.
#[derive(Debug)]
pub(crate) struct TargetLock {
    key: LockKey,
    pub(crate) fence: Fence,
    renewal: JoinHandle<()>,
}

impl TargetLock {
    /// Waits for the lock as long as nobody wants the job to stop.
    pub(crate) async fn acquire(cx: &StageContext<'_>, config: &DeploymentConfig) -> Result<Self> {
        let key = LockKey { tenant: cx.writer.job.tenant.clone(), name: config.name() };
        // As long as a lease: whoever takes the job over finds the lock lapsed, too.
        let term = cx.parts.settings.lease_term;
        let mut waited = false;
        let fence = loop {
            cx.check()?;
            match cx.parts.locks.acquire(&key, &cx.writer.worker, term).await {
                Ok(fence) => break fence,
                Err(error) if error.kind() == ErrorKind::Conflict => {
                    if !std::mem::replace(&mut waited, true) {
                        cx.log.line(&format!("waiting for {}: {error}", key.name));
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(error),
            }
        };
        let (locks, cancel) = (Arc::clone(&cx.parts.locks), cx.cancel.clone());
        let renewed = key.clone();
        let renewal = tokio::spawn(async move {
            loop {
                tokio::time::sleep(term / 3).await;
                if let Err(error) = locks.renew(&renewed, fence, term).await
                    && error.is_fenced()
                {
                    // Somebody took the lock over: the deployer must stop, and the target's own
                    // fence refuses whatever it still tries.
                    return cancel.cancel();
                }
            }
        });
        Ok(Self { key, fence, renewal })
    }

    /// Lets the lock go. A lock that cannot be let go lapses.
    pub(crate) async fn release(self, cx: &StageContext<'_>) {
        if let Err(error) = cx.parts.locks.release(&self.key, self.fence).await {
            tracing::warn!(lock = %self.key.name, %error, "a lock could not be released");
        }
    }
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

/// With what a deployer works, under a held lock.
pub(crate) fn context<'a>(
    cx: &'a StageContext<'_>,
    lock: &TargetLock,
    journal: &'a JobJournal<'_>,
) -> DeployContext<'a> {
    DeployContext::new(
        &cx.writer.job,
        lock.fence,
        journal,
        cx.secrets,
        cx.parts.artifacts.as_ref(),
        cx.parts.clock.as_ref(),
        cx.cancel,
        cx.log,
    )
}

/// A target that has seen a later deployer is no lost lease: this job still is ours, but somebody
/// deploys there whose locks we do not share.
pub(crate) fn fenced(error: Error) -> Error {
    if !error.is_fenced() {
        return error;
    }
    Error::new(ErrorKind::Conflict, "the target has seen a later deployer")
        .code("target_fenced")
        .advice(
            "let one installation alone deploy there, or remove what the other left of its lock",
        )
        .source(error)
}

/// The configuration of the target of that name.
pub(crate) fn config<'a>(
    deployments: &'a [DeploymentConfig],
    name: &str,
) -> Result<&'a DeploymentConfig> {
    deployments.iter().find(|config| config.name() == name).ok_or_else(|| {
        Error::unexpected("a touched target is not configured").context("target", name)
    })
}
