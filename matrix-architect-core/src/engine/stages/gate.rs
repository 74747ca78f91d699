use super::{GateOutcome, StageContext};
use crate::{error::Result, pipeline::JobRecord, release::GatedRelease};
pub(crate) async fn run(_cx: &StageContext<'_>) -> Result<GateOutcome> {
    unimplemented!()
}
pub(crate) async fn admitted(_cx: &StageContext<'_>, _record: &JobRecord) -> Result<GatedRelease> {
    unimplemented!()
}
