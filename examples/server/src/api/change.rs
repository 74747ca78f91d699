//! Asking for a change: `POST /plan` and `POST /execute`.
//!
//! Both take the same body and answer with a job. `/execute` lets it run to its end as far as the
//! policy allows. `/plan` shows what would happen and has no effect outside the sandbox: the job is
//! planned, patched and verified, and then waits at the gate for somebody else's approval.

use std::collections::BTreeMap;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use matrix_architect_core::{
    error::{Error, Result},
    job::{Job, JobConstraints, JobSpec, JobStatus, Priority},
    plan::{Change, Plan, RepoSpec},
    principal::Principal,
    release::{DeploymentConfig, PublishConfig},
};
use serde::{Deserialize, Serialize};

use super::{App, auth::Caller, problem::Failed, read};

/// The body of both routes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChangeRequest {
    /// Where the code comes from. Required.
    pub repo: Option<RepoSpec>,
    /// What the change is for; the plan's goal if absent.
    pub goal: String,
    /// The change as a plan. Exactly one of `plan`, `diff` and `branch`, or none of them if a
    /// planner makes the plan from the goal.
    pub plan: Option<Box<Plan>>,
    /// The change as a unified diff.
    pub diff: Option<String>,
    /// The change as a branch of the same repository.
    pub branch: Option<String>,
    /// Commands added to VERIFY.
    pub verify_commands: Vec<String>,
    /// Where it is deployed, in the seed system's spelling for one place.
    pub deployment_config: Option<DeploymentConfig>,
    /// All places it is deployed to, in order.
    pub deployments: Vec<DeploymentConfig>,
    /// Where it is published, in order.
    pub publish: Vec<PublishConfig>,
    /// What is demanded.
    pub constraints: JobConstraints,
    /// How soon it is wanted.
    pub priority: Priority,
    /// Words to find it by.
    pub labels: BTreeMap<String, String>,
}

impl ChangeRequest {
    /// The job that is asked for.
    ///
    /// # Errors
    /// `Invalid` if the repository is missing or the change is given more than once.
    pub fn into_spec(self, idempotency_key: Option<String>) -> Result<JobSpec> {
        let repo = self.repo.ok_or_else(|| {
            Error::invalid("the field 'repo' is missing")
                .context("field", "repo")
                .advice(r#"give {"kind":"git","url":"…"} or {"kind":"local","path":"…"}"#)
        })?;
        let goal = match &self.plan {
            Some(plan) if self.goal.is_empty() => plan.goal.clone(),
            _ => self.goal,
        };
        let mut deployments = self.deployments;
        deployments.splice(0..0, self.deployment_config);
        Ok(JobSpec {
            repo,
            goal,
            change: change(self.plan, self.diff, self.branch)?,
            verify_commands: self.verify_commands,
            constraints: self.constraints,
            deployments,
            publish: self.publish,
            priority: self.priority,
            labels: self.labels,
            idempotency_key,
        })
    }
}

fn change(plan: Option<Box<Plan>>, diff: Option<String>, branch: Option<String>) -> Result<Change> {
    match (plan, diff, branch) {
        (Some(plan), None, None) => Ok(Change::Plan(plan)),
        (None, Some(diff), None) => Ok(Change::Diff(diff)),
        (None, None, Some(branch)) => Ok(Change::Branch(branch)),
        (None, None, None) => Ok(Change::Goal),
        _ => Err(Error::invalid("the change is given more than once")
            .context("field", "plan, diff, branch")
            .advice("give exactly one of them")),
    }
}

/// `POST /plan`.
///
/// # Errors
/// A problem if the body is wrong, the principal may not ask, or the store does not answer.
pub(super) async fn plan(
    State(app): State<App>,
    Caller(principal): Caller,
    headers: HeaderMap,
    read::Json(request): read::Json<ChangeRequest>,
) -> Result<Response, Failed> {
    let mut spec = request.into_spec(read::idempotency_key(&headers)?)?;
    spec.constraints.min_approvals = spec.constraints.min_approvals.max(1);
    create(&app, &principal, &headers, spec).await
}

/// `POST /execute`.
///
/// # Errors
/// As [`plan`].
pub(super) async fn execute(
    State(app): State<App>,
    Caller(principal): Caller,
    headers: HeaderMap,
    read::Json(request): read::Json<ChangeRequest>,
) -> Result<Response, Failed> {
    let spec = request.into_spec(read::idempotency_key(&headers)?)?;
    create(&app, &principal, &headers, spec).await
}

async fn create(
    app: &App,
    principal: &Principal,
    headers: &HeaderMap,
    mut spec: JobSpec,
) -> Result<Response, Failed> {
    app.boundary.admit(principal, &mut spec)?;
    let job = app.engine.submit(principal, spec).await?;
    let job = settle(app, principal, job, read::wait(headers)).await?;
    let location = HeaderValue::from_str(&format!("/jobs/{}", job.id));
    let mut response = (StatusCode::ACCEPTED, axum::Json(job)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// Waits until the job has come to rest, for as long as the client is willing to.
async fn settle(
    app: &App,
    principal: &Principal,
    mut job: Job,
    wait: std::time::Duration,
) -> Result<Job> {
    let end = tokio::time::Instant::now() + wait;
    while !is_at_rest(&job) && tokio::time::Instant::now() < end {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        job = app.engine.job(principal, &job.id).await?;
    }
    Ok(job)
}

fn is_at_rest(job: &Job) -> bool {
    job.status.is_terminal()
        || matches!(job.status, JobStatus::WaitingApproval | JobStatus::NeedsOperator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Result<JobSpec, String> {
        let request: ChangeRequest = serde_json::from_str(text).map_err(|e| e.to_string())?;
        request.into_spec(None).map_err(|error| error.to_string())
    }

    #[test]
    fn the_seed_systems_body_is_a_job() {
        let spec = request(
            r#"{"repo":{"kind":"github","owner":"o","repo":"r","ref":"main"},
                "plan":{"goal":"greet","steps":[{"id":"s1","ops":[
                    {"op":"create","path":"a.txt","content":"hi"}]}]},
                "verify_commands":["make check"],
                "deployment_config":{"target":"vm","environment":"staging","config":{}}}"#,
        )
        .unwrap();
        assert_eq!(spec.goal, "greet");
        assert_eq!(spec.verify_commands, ["make check"]);
        assert_eq!(spec.deployments[0].driver(), "systemd");
    }

    #[test]
    fn a_wrong_body_is_refused_by_the_name_of_the_field() {
        let cases = [
            (r#"{"goal":"x"}"#, "'repo' is missing"),
            (r#"{"repo":{"kind":"local","path":"/x"},"diff":"a","branch":"b"}"#, "exactly one"),
            (r#"{"repos":1}"#, "unknown field `repos`"),
            (r#"{"repo":{"kind":"svn"}}"#, "unknown variant `svn`"),
        ];
        for (body, expected) in cases {
            let error = request(body).unwrap_err();
            assert!(error.contains(expected), "{body}: {error}");
        }
    }
}
