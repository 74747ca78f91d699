//! `architect run`: one change through all six stages, here and now.

use std::collections::BTreeMap;

use clap::Args;
use matrix_architect_core::{
    canonical,
    error::Result,
    job::{Job, JobSpec, JobStatus, Priority},
    principal::Principal,
    traits::JobQuery,
};

use super::{change::ChangeArgs, context::Context, drive, exit::Exit, target::TargetArgs};
use crate::{composition::Installation, fetching::Fetching, isolation::Isolation};

/// The label by which the same command finds its unfinished job again.
const KEY: &str = "run.key";

/// Take one change through all six stages, here and now.
///
/// The same command again goes on where an unfinished job was left, whether it was killed or waited
/// for approval; after a finished job it starts a new one.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    change: ChangeArgs,
    /// Command added to VERIFY, run in the sandbox by sh -c; may be given several times
    #[arg(long, value_name = "CMD")]
    verify: Vec<String>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    isolation: Isolation,
    #[command(flatten)]
    fetching: Fetching,
}

impl Run {
    pub(super) async fn run(self, context: &Context) -> Result<Exit> {
        let spec = self.spec()?;
        let principal = context.principal()?;
        context.composition.require_git(&context.home()?, &spec.repo, &spec.publish)?;
        let here = context.local_with(&self.isolation, &self.fetching).await?;
        let job = match unfinished(&here, &principal, &spec).await? {
            Some(job) => {
                context.screen.note(&format!("goes on with {}", job.id));
                job
            }
            None => here.engine.submit(&principal, spec).await?,
        };
        drive::to_rest(context, &here, &principal, &job).await
    }

    fn spec(&self) -> Result<JobSpec> {
        let change = self.change.change()?;
        let mut spec = JobSpec {
            repo: self.change.repo()?,
            goal: self.change.goal(&change),
            change,
            verify_commands: self.verify.clone(),
            constraints: self.target.constraints()?,
            deployments: self.target.deployments()?,
            publish: self.target.publish()?,
            priority: Priority::Normal,
            labels: BTreeMap::new(),
            idempotency_key: None,
        };
        spec.validate()?;
        let key = canonical::digest(&spec)?;
        spec.labels.insert(KEY.to_owned(), key.hex());
        Ok(spec)
    }
}

/// The job that an earlier run of the same command has left.
async fn unfinished(
    here: &Installation,
    principal: &Principal,
    spec: &JobSpec,
) -> Result<Option<Job>> {
    let mut query = JobQuery::default();
    query.labels = spec.labels.clone().into_iter().collect();
    query.statuses = UNFINISHED.to_vec();
    query.limit = 1;
    let page = here.engine.jobs(principal, &query).await?;
    Ok(page.jobs.into_iter().next().map(|record| record.job))
}

const UNFINISHED: [JobStatus; 9] = [
    JobStatus::Queued,
    JobStatus::Planning,
    JobStatus::Patching,
    JobStatus::Verifying,
    JobStatus::Gating,
    JobStatus::WaitingApproval,
    JobStatus::Deploying,
    JobStatus::Publishing,
    JobStatus::RollingBack,
];
