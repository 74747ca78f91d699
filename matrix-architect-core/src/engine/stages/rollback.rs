//! Undoing the targets, the last one first.

use super::{
    StageContext,
    target::{self, TargetLock},
};
use crate::{
    engine::journal::JobJournal,
    error::Result,
    event::Event,
    pipeline::{JobRecord, TargetState, TargetStep},
    release::ReleaseRef,
    traits::{LogSink as _, RollbackRequest},
};

pub(crate) async fn run(cx: &StageContext<'_>) -> Result<()> {
    let record = cx.writer.record().await;
    for target in record.state.targets.iter().rev() {
        if target.step != TargetStep::Undone {
            undo(cx, &record, target).await?;
        }
    }
    Ok(())
}

async fn undo(cx: &StageContext<'_>, record: &JobRecord, target: &TargetState) -> Result<()> {
    let config = target::config(&record.spec.deployments, &target.name)?;
    let deployer = cx.parts.deployer(config.driver())?;
    let (failed, to) = match &target.step {
        TargetStep::Applied(release) => (release.reference.clone(), release.previous.clone()),
        TargetStep::Intended | TargetStep::Undone => (reference(record, config), None),
    };
    cx.log.line(&format!("rolling {} back on {}", failed.version, target.name));
    let lock = TargetLock::acquire(cx, config).await?;
    let journal = JobJournal::open(cx.writer, &cx.parts.store).await?;
    let request = RollbackRequest { config: config.clone(), failed, to };
    let undone = deployer.rollback(&target::context(cx, &lock, &journal), &request).await;
    lock.release(cx).await;
    let mut undone = undone.map_err(target::fenced)?;
    if let Some(release) = &mut undone {
        cx.seen.redact_release(release);
    }
    let event = Event::TargetUndone { target: target.name.clone(), release: undone };
    cx.writer.commit(vec![event], Vec::new()).await
}

fn version(record: &JobRecord) -> String {
    record.state.refs.bundle.map(|bundle| crate::release::version_of(&bundle)).unwrap_or_default()
}

/// The release that was about to be put there.
fn reference(record: &JobRecord, config: &crate::release::DeploymentConfig) -> ReleaseRef {
    ReleaseRef {
        driver: config.driver().to_owned(),
        environment: config.environment.clone(),
        service: config.service().to_owned(),
        version: version(record),
    }
}
