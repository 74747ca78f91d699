//! `architect artifacts`: what a job left behind.

use std::path::PathBuf;

use clap::Args;
use matrix_architect_core::error::Result;

use super::{context::Context, exit::Exit, reach::job_id};
use crate::{home::unusable, output::table};

/// List what a job left behind, or fetch one of it.
#[derive(Debug, Args)]
pub(super) struct Artifacts {
    /// The job
    #[arg(value_name = "JOB")]
    id: String,
    /// The artifact to fetch
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// File it is written to [default: standard output]
    #[arg(long, short, value_name = "FILE", requires = "name")]
    output: Option<PathBuf>,
}

impl Artifacts {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let id = job_id(&self.id)?;
        let reach = context.reach().await?;
        let Some(name) = &self.name else {
            let artifacts = reach.artifacts(&id).await?;
            if context.screen.is_json() {
                context.screen.json(&artifacts)?;
                return Ok(Exit::Done);
            }
            let mut rows = table(&["name", "kind", "bytes", "digest"]);
            for one in artifacts {
                let kind = serde_json::to_value(one.kind).unwrap_or_default();
                let kind = kind.as_str().unwrap_or_default().to_owned();
                rows.add_row([one.name, kind, one.size.to_string(), one.checksum.to_string()]);
            }
            context.screen.say(&rows.trim_fmt());
            return Ok(Exit::Done);
        };
        let bytes = reach.artifact(&id, name).await?;
        match &self.output {
            None => context.screen.raw(&bytes)?,
            Some(path) => std::fs::write(path, &bytes).map_err(|cause| unusable(path, cause))?,
        }
        Ok(Exit::Done)
    }
}
