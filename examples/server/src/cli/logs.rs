//! `architect logs`: a job's output, as it was or as it comes.

use std::time::Duration;

use clap::Args;
use matrix_architect_core::{error::Result, id::JobId};

use super::{
    context::Context,
    exit::Exit,
    reach::{Reach, job_id},
};

/// Print a job's logs.
#[derive(Debug, Args)]
pub(super) struct Logs {
    /// The job
    #[arg(value_name = "JOB")]
    id: String,
    /// Only the log of this name, such as VERIFY
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Go on until the job comes to rest
    #[arg(long, short)]
    follow: bool,
}

impl Logs {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let id = job_id(&self.id)?;
        let reach = context.reach().await?;
        let mut printed: Vec<(String, u64)> = Vec::new();
        loop {
            // Looked at before the logs: what it wrote before its end is then printed in any case.
            let job = reach.job(&id).await?;
            for name in self.names(&reach, &id).await? {
                if !printed.iter().any(|(known, _)| *known == name) {
                    printed.push((name, 0));
                }
            }
            for (name, from) in &mut printed {
                print(context, &reach, &id, name, from).await?;
            }
            let at_rest = job.status.is_terminal() || Exit::at(job.status) != Exit::Error;
            if !self.follow || at_rest {
                return Ok(Exit::Done);
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    async fn names(&self, reach: &Reach, id: &JobId) -> Result<Vec<String>> {
        let mut names = reach.log_names(id).await?;
        if let Some(wanted) = &self.stage {
            names.retain(|name| name.eq_ignore_ascii_case(wanted));
        }
        Ok(names)
    }
}

/// Prints what has come since, under the log's name if it is the first of it.
async fn print(
    context: &Context,
    reach: &Reach,
    id: &JobId,
    name: &str,
    from: &mut u64,
) -> Result<()> {
    loop {
        let piece = reach.log(id, name, *from).await?;
        if piece.bytes.is_empty() {
            return Ok(());
        }
        if *from == 0 {
            context.screen.note(&context.screen.paint(&format!("── {name}"), "1"));
        }
        *from += piece.bytes.len() as u64;
        context.screen.raw(&piece.bytes)?;
    }
}
