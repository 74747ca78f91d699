//! `architect jobs`: list jobs, or show one.

use clap::Args;
use matrix_architect_core::{
    error::{Error, Result},
    job::JobStatus,
};

use super::{context::Context, exit::Exit, reach::job_id};
use crate::{
    api::ListParams,
    output::{RunReport, jobs_table, summary},
};

/// List jobs, newest first, or show one.
#[derive(Debug, Args)]
pub(super) struct Jobs {
    /// The job to show
    #[arg(value_name = "JOB")]
    id: Option<String>,
    /// Only jobs in this status, such as `waiting_approval`
    #[arg(long, value_name = "STATUS", conflicts_with = "id")]
    status: Option<String>,
    /// At most so many, up to 1000
    #[arg(long, value_name = "COUNT", default_value_t = 50, conflicts_with = "id")]
    limit: usize,
}

impl Jobs {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        match &self.id {
            Some(id) => show(context, id).await,
            None => self.list(context).await,
        }
    }

    async fn list(&self, context: &Context) -> Result<Exit> {
        let status = self.status.as_deref().map(status).transpose()?;
        let params = ListParams { status, limit: Some(self.limit), after: None };
        let jobs = context.reach().await?.jobs(&params).await?;
        if context.screen.is_json() {
            context.screen.json(&jobs)?;
        } else if jobs.is_empty() {
            context.screen.note("no jobs");
        } else {
            context.screen.say(&jobs_table(&jobs).trim_fmt());
        }
        Ok(Exit::Done)
    }
}

async fn show(context: &Context, id: &str) -> Result<Exit> {
    let job = context.reach().await?.job(&job_id(id)?).await?;
    if context.screen.is_json() {
        context.screen.json(&job)?;
        return Ok(Exit::Done);
    }
    let resolve = context.resolve(&job)?;
    let report = RunReport {
        exit_code: Exit::at(job.status).code(),
        job,
        attestation: None,
        public_key: None,
        verify: None,
        approve: None,
        resolve,
    };
    context.screen.say(summary(context.screen, &report).trim_start_matches('\n'));
    Ok(Exit::Done)
}

fn status(text: &str) -> Result<JobStatus> {
    serde_json::from_value(text.into())
        .map_err(|cause| Error::invalid(format!("no such status: {cause}")).context("status", text))
}
