//! `architect cancel`: stop a job.

use clap::Args;
use matrix_architect_core::error::Result;

use super::{context::Context, exit::Exit, reach::job_id};
use crate::api::Words;

/// Stop a job. One that waits ends at once; one that runs is told and undoes what it did.
#[derive(Debug, Args)]
pub(super) struct CancelJob {
    /// The job
    #[arg(value_name = "JOB")]
    id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

impl CancelJob {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let id = job_id(&self.id)?;
        let words = Words { comment: self.comment, approval_id: None };
        let job = context.reach().await?.cancel(&id, words).await?;
        if context.screen.is_json() {
            context.screen.json(&job)?;
        } else {
            let done = if job.status.is_terminal() { job.status.as_str() } else { "stopping" };
            context.screen.say(&format!("{}  {done}", job.id));
        }
        Ok(Exit::Done)
    }
}
