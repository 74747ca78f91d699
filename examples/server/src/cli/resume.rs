//! `architect resume`: go on with an unfinished job, here and now.

use clap::Args;
use matrix_architect_core::error::{Error, ErrorKind, Result};

use super::{context::Context, drive, exit::Exit, reach::job_id};

/// Go on with an unfinished job, here and now.
///
/// Where a server runs on the same data directory its workers do this by themselves.
#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The job
    #[arg(value_name = "JOB")]
    id: String,
    /// Go on where a limit of the sandbox cannot be enforced here; it is recorded in the evidence
    #[arg(long)]
    allow_degraded: bool,
}

impl Resume {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let id = job_id(&self.id)?;
        let principal = context.principal()?;
        let here = context.local_with(self.allow_degraded).await?;
        let job = here.engine.job(&principal, &id).await?;
        if job.status.is_terminal() {
            return Err(Error::new(ErrorKind::Conflict, "the job has ended")
                .context("job", &job.id)
                .context("status", job.status.as_str()));
        }
        drive::to_rest(context, &here, &principal, &job).await
    }
}
