//! A planner with one idea.

use async_trait::async_trait;

use crate::{
    error::{Error, ErrorKind, Result},
    plan::{FileOp, FileOpKind, Plan, Step},
    traits::{PlanRequest, Planner},
};

/// A planner whose every plan writes the goal into `README.md`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReadmePlanner;

#[async_trait]
impl Planner for ReadmePlanner {
    async fn plan(&self, request: &PlanRequest<'_>) -> Result<Plan> {
        if request.cancel.is_cancelled() {
            return Err(Error::new(ErrorKind::Cancelled, "the planning was stopped"));
        }
        let path = crate::path::RelPath::new("README.md")?;
        let exists = request.base.read(&path).await?.is_some();
        let op = FileOp {
            op: if exists { FileOpKind::Update } else { FileOpKind::Create },
            path: path.to_string(),
            content: Some(format!("{}\n", request.goal)),
            ..FileOp::default()
        };
        let step = Step { id: "readme".to_owned(), ops: vec![op], ..Step::default() };
        Ok(Plan { goal: request.goal.to_owned(), steps: vec![step], ..Plan::default() })
    }
}
