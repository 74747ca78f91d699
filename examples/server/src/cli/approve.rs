//! `architect approve`: agree to a waiting job, or refuse it.

use clap::Args;
use matrix_architect_core::{error::Result, id::ApprovalId, job::JobStatus};

use super::{context::Context, exit::Exit, reach::job_id};
use crate::{api::Words, output::shell};

/// Agree to a waiting job, or refuse it.
///
/// Whoever asked for a change cannot agree to it. After enough have agreed the same `architect run`
/// again, or `architect resume`, takes the job on; where a server runs, its workers do.
#[derive(Debug, Args)]
pub(super) struct Approve {
    /// The job
    #[arg(value_name = "JOB")]
    id: String,
    /// Refuse it instead
    #[arg(long)]
    refuse: bool,
    /// Why
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Answer this question only, not one that was asked since about another patch
    #[arg(long, value_name = "ID")]
    approval: Option<String>,
}

impl Approve {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let id = job_id(&self.id)?;
        let approval_id = self.approval.map(ApprovalId::new).transpose()?;
        let words = Words { comment: self.comment, approval_id };
        let reach = context.reach().await?;
        let job = if self.refuse {
            reach.refuse(&id, words).await?
        } else {
            reach.approve(&id, words).await?
        };
        if context.screen.is_json() {
            context.screen.json(&job)?;
            return Ok(Exit::Done);
        }
        let done = match (self.refuse, job.status) {
            (true, _) => "refused".to_owned(),
            (false, JobStatus::WaitingApproval) => "approved; it waits for more".to_owned(),
            (false, _) if context.global.server.is_some() => "approved".to_owned(),
            (false, _) => {
                let resume = context.command(&["resume", job.id.as_str()])?;
                format!("approved; go on with: {}", shell(&resume))
            }
        };
        context.screen.say(&format!("{}  {done}", job.id));
        Ok(Exit::Done)
    }
}
