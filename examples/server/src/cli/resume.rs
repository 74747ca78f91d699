//! `architect resume`: go on with an unfinished job, here and now.

use clap::Args;
use matrix_architect_core::error::{Error, ErrorKind, Result};

use super::{context::Context, drive, exit::Exit, reach::job_id};
use crate::{fetching::Fetching, isolation::Isolation};

/// Go on with an unfinished job, here and now.
///
/// Where a server runs on the same data directory its workers do this by themselves.
#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The job
    #[arg(value_name = "JOB")]
    id: String,
    #[command(flatten)]
    isolation: Isolation,
    #[command(flatten)]
    fetching: Fetching,
}

impl Resume {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let id = job_id(&self.id)?;
        let principal = context.principal()?;
        let here = context.local_with(&self.isolation, &self.fetching).await?;
        let job = here.engine.job(&principal, &id).await?;
        if job.status.is_terminal() {
            return Err(Error::new(ErrorKind::Conflict, "the job has ended")
                .context("job", &job.id)
                .context("status", job.status.as_str()));
        }
        context.composition.require_git(&context.home()?, &job.repo, &job.publish)?;
        drive::to_rest(context, &here, &principal, &job).await
    }
}
