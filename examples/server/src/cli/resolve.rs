//! `architect resolve`: decide on a job whose rollback failed.

use clap::{ArgGroup, Args};
use matrix_architect_core::{error::Result, event::Resolution};

use super::{context::Context, exit::Exit, reach::job_id};
use crate::output::shell;

/// Decide on a job that needs an operator, because what it deployed could not be taken back.
///
/// After --retry `architect resume` tries the rollback again; where a server runs, its workers do.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("resolution").required(true)))]
pub(super) struct Resolve {
    /// The job
    #[arg(value_name = "JOB")]
    id: String,
    /// End the job: the target was put right by hand
    #[arg(long, group = "resolution")]
    accept: bool,
    /// Try the rollback again
    #[arg(long, group = "resolution")]
    retry: bool,
}

impl Resolve {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let id = job_id(&self.id)?;
        let resolution = if self.retry { Resolution::RetryRollback } else { Resolution::Accept };
        let job = context.reach().await?.resolve(&id, resolution).await?;
        if context.screen.is_json() {
            context.screen.json(&job)?;
            return Ok(Exit::Done);
        }
        let done = match resolution {
            Resolution::Accept => job.status.as_str().to_owned(),
            Resolution::RetryRollback if context.global.server.is_some() => {
                "the rollback is tried again".to_owned()
            }
            Resolution::RetryRollback => {
                let resume = context.command(&["resume", job.id.as_str()])?;
                format!("try the rollback again with: {}", shell(&resume))
            }
        };
        context.screen.say(&format!("{}  {done}", job.id));
        Ok(Exit::Done)
    }
}
