use super::{DeliveryOutcome, StageContext};
use crate::error::Result;
pub(crate) async fn run(_cx: &StageContext<'_>) -> Result<DeliveryOutcome> {
    unimplemented!()
}
