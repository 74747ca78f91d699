//! DEPLOY: what the gate let through is put on one target after the other.

use futures_util::future::join;

use super::{
    DeliveryOutcome, StageContext,
    target::{self, TargetLock},
};
use crate::{
    engine::journal::JobJournal,
    error::Result,
    event::{Event, StageOutput},
    evidence::{CheckResult, Evidence, EvidenceKind},
    pipeline::TargetStep,
    release::{DeploymentConfig, GatedRelease, HealthStatus, Release},
    traits::{DeployRequest, LogSink as _},
};

pub(crate) async fn run(cx: &StageContext<'_>) -> Result<DeliveryOutcome> {
    let record = cx.writer.record().await;
    // Once a target was touched the job goes on with what it has proven.
    if !record.state.has_effects() {
        if let Some(reason) = cx.moved_base().await? {
            return Ok(DeliveryOutcome::BaseMoved(reason));
        }
        // An operator may allow less by now. A target that was begun with such settings could not be
        // taken back with them either.
        cx.parts.check_settings(&record.spec, Some(&record.job))?;
    }
    let release = super::gate::admitted(cx, &record).await?;
    for config in &record.spec.deployments {
        let name = config.name();
        if matches!(record.state.target(&name), Some(TargetStep::Applied(_))) {
            continue;
        }
        cx.check()?;
        apply(cx, config, &release).await?;
    }
    if record.spec.deployments.is_empty() {
        cx.log.line("nothing to deploy");
    }
    Ok(DeliveryOutcome::Done(StageOutput::Deploy {}))
}

async fn apply(
    cx: &StageContext<'_>,
    config: &DeploymentConfig,
    release: &GatedRelease,
) -> Result<()> {
    let name = config.name();
    let deployer = cx.parts.deployer(config.driver())?;
    let lock = TargetLock::acquire(cx, config).await?;
    let journal = JobJournal::open(cx.writer, &cx.parts.store).await?;
    let intended = Event::TargetIntended { target: name.clone() };
    cx.writer.commit(vec![intended], Vec::new()).await?;
    cx.log.line(&format!("deploying {} to {name}", release.version()));
    let request = DeployRequest { config: config.clone(), release: release.clone() };
    let applied = deployer.apply(&target::context(cx, &lock, &journal), &request).await;
    let mut applied = match applied {
        Ok(applied) => applied,
        Err(error) => {
            lock.release(cx).await;
            return Err(target::fenced(error));
        }
    };
    cx.seen.redact_release(&mut applied);
    let health = health(cx, &name, &applied);
    let events = vec![
        Event::EvidenceRecorded(Box::new(health)),
        Event::TargetApplied { target: name, release: applied },
    ];
    join(lock.release(cx), cx.writer.commit(events, Vec::new())).await.1
}

/// What the deployer saw of the release's health, as evidence.
fn health(cx: &StageContext<'_>, name: &str, release: &Release) -> Evidence {
    let now = cx.parts.clock.now();
    let (result, summary) = match &release.health {
        Some(health) => match health.status {
            HealthStatus::Healthy => (CheckResult::Passed, health.detail.clone()),
            HealthStatus::Unchecked => (CheckResult::Warned, "no health check is set".to_owned()),
            HealthStatus::Progressing | HealthStatus::Unhealthy => {
                (CheckResult::Inconclusive, health.detail.clone())
            }
        },
        None => (CheckResult::Warned, "the adapter does not look at health".to_owned()),
    };
    Evidence::new(EvidenceKind::DeploymentHealth, format!("deploy.{name}"), result, now)
        .summary(summary)
        .detail("version", release.reference.version.clone())
        .detail("changed", release.changed)
        .detail("fencing", serde_json::json!(release.fencing))
}
