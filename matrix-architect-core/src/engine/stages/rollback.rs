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
    if untouched(cx, target).await? {
        cx.log.line(&format!("{} was live on {} before: it stays", version(record), target.name));
        let event = Event::TargetUndone { target: target.name.clone(), release: None };
        return cx.writer.commit(vec![event], Vec::new()).await;
    }
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
    let undone = undone.map_err(target::fenced)?;
    let event = Event::TargetUndone { target: target.name.clone(), release: undone };
    cx.writer.commit(vec![event], Vec::new()).await
}

/// Whether this job changed nothing there: its only attempt found the release live already, put
/// there by another job. Undoing it would undo the other's work.
async fn untouched(cx: &StageContext<'_>, target: &TargetState) -> Result<bool> {
    let TargetStep::Applied(release) = &target.step else { return Ok(false) };
    if release.changed {
        return Ok(false);
    }
    // An attempt that was broken off may have changed it before this one looked.
    let mut attempts = 0;
    let mut after = 0;
    loop {
        let page = cx.parts.store.history(&cx.writer.job, after, 500).await?;
        let Some(last) = page.last() else { return Ok(attempts == 1) };
        after = last.seq;
        for envelope in page {
            match envelope.event {
                Event::TargetIntended { target: name } if name == target.name => attempts += 1,
                Event::Replanned { .. } => attempts = 0,
                _ => {}
            }
        }
    }
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
