//! PATCH: the plan is applied to a copy of the source.

use std::sync::Arc;

use futures_util::future::try_join3;

use super::{JSON, StageContext, TAR};
use crate::{
    artifact::ArtifactKind,
    engine::scratch::Packed,
    error::{Error, Result},
    event::StageOutput,
    traits::LogSink as _,
};

pub(crate) async fn run(cx: &StageContext<'_>) -> Result<StageOutput> {
    let record = cx.writer.record().await;
    let plan = record.job.plan.as_ref().ok_or_else(|| Error::unexpected("PLAN left no plan"))?;
    let base = cx.scratch.tree(cx.parts, cx.writer, record.state.refs.base_tree).await?;
    let applied = cx.parts.workspace.apply(base.as_ref(), plan).await?;
    cx.check()?;
    for file in &applied.patch.files {
        let (added, removed) = (file.added_lines, file.removed_lines);
        cx.log.line(&format!("{:?} {} +{added} -{removed}", file.kind, file.path));
    }
    let packed = Packed(Arc::clone(&applied.tree));
    let patch_hash = applied.patch.hash()?;
    let bytes = serde_json::to_vec(&applied.patch)
        .map_err(|source| Error::unexpected("the patch has no JSON form").source(source))?;
    let (tree, patch, diff) = try_join3(
        cx.store(ArtifactKind::Bundle, "tree", TAR, &packed),
        cx.store(ArtifactKind::Patch, "patch", JSON, &bytes),
        cx.store(ArtifactKind::Patch, "patch.diff", "text/x-diff", &applied.patch.diff),
    )
    .await?;
    let (tree, patch) = (cx.note(tree).await, cx.note(patch).await);
    cx.note(diff).await;
    cx.scratch.keep(tree, applied.tree).await;
    Ok(StageOutput::Patch { patch_hash, patch, tree })
}
