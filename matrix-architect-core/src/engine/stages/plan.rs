//! PLAN: the change is resolved on a base commit, and the source is kept.

use std::sync::Arc;

use futures_util::future::try_join;

use super::{JSON, StageContext, TAR};
use crate::{
    artifact::ArtifactKind,
    canonical,
    engine::scratch::Packed,
    error::{Error, ErrorKind, Result},
    event::StageOutput,
    plan::{Base, Change, Plan},
    traits::{Checkout, LogSink as _, PlanRequest},
};

pub(crate) async fn run(cx: &StageContext<'_>) -> Result<StageOutput> {
    let record = cx.writer.record().await;
    let request = cx.checkout(&record.spec.repo);
    cx.log.line(&format!("checking out {}", record.spec.repo.uri()));
    let checkout = cx.parts.workspace.checkout(&request).await?;
    cx.check()?;
    if checkout.uncommitted {
        cx.log.line("the work tree has edits that are not committed: they are no part of the base");
    }
    let change = match &record.spec.change {
        Change::Goal => Change::Plan(Box::new(make_plan(cx, &record.spec.goal, &checkout).await?)),
        given => given.clone(),
    };
    let mut plan = cx.parts.workspace.resolve(&request, &checkout, &change).await?;
    if plan.goal.is_empty() {
        plan.goal.clone_from(&record.spec.goal);
    }
    plan.validate()?;
    cx.check()?;

    // The source travels as an artifact, so that a later worker can go on after a force-push.
    let packed = Packed(Arc::clone(&checkout.tree));
    let (plan_hash, bytes) = (plan.hash()?, canonical::bytes(&plan)?);
    let (source, document) = try_join(
        cx.store(ArtifactKind::Bundle, "source", TAR, &packed),
        cx.store(ArtifactKind::Plan, "plan", JSON, &bytes),
    )
    .await?;
    let tree = cx.note(source).await;
    cx.note(document).await;
    cx.scratch.keep(tree, Arc::clone(&checkout.tree)).await;
    let base = Base { commit: checkout.commit, branch: checkout.branch, tree };
    let operations = plan.operations().count();
    cx.log.line(&format!("planned {operations} file operations on {base}"));
    Ok(StageOutput::Plan { plan: Box::new(plan), plan_hash, base })
}

async fn make_plan(cx: &StageContext<'_>, goal: &str, checkout: &Checkout) -> Result<Plan> {
    let Some(planner) = &cx.parts.planner else {
        return Err(Error::new(
            ErrorKind::Unsupported,
            "no planner is set up to make a plan of a goal",
        )
        .advice("hand in a plan, a diff or a branch"));
    };
    let record = cx.writer.record().await;
    let tenant = &cx.writer.job.tenant;
    let request =
        PlanRequest::new(tenant, goal, &record.spec.repo, checkout.tree.as_ref(), cx.cancel);
    planner.plan(&request).await
}
