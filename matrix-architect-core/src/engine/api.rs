//! What principals ask of the engine. Every call checks who asks.

use std::ops::Range;

use super::{Engine, log::seal_all, worker::candidate};
use crate::{
    artifact::Artifact,
    error::{Error, ErrorKind, Result},
    event::{Actor, Event, EventEnvelope, Grant, Resolution},
    id::{ApprovalId, CommitId, JobId},
    job::{Job, JobSpec, NewJob},
    pipeline::{JobRecord, Phase, Stage},
    principal::{Permission, Principal},
    tenant::JobRef,
    traits::{ByteStream, Commit, Fence, JobPage, JobQuery, LogId, LogPage, Message},
};

/// How often a principal's act is tried against a job that moves.
const ATTEMPTS: u32 = 20;

/// Whoever ends a job that waits comes after all its workers.
const AFTER_ALL: Fence = Fence(u64::MAX);

/// A principal's answer to a question.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Consent {
    /// The question that was looked at. Given, an answer never falls to a newer question about
    /// another patch.
    pub approval: Option<ApprovalId>,
    /// Words.
    pub comment: Option<String>,
}

impl Consent {
    /// An answer to this question and no other.
    #[must_use]
    pub fn to(mut self, approval: ApprovalId) -> Self {
        self.approval = Some(approval);
        self
    }
}

impl From<Option<String>> for Consent {
    fn from(comment: Option<String>) -> Self {
        Self { approval: None, comment }
    }
}

impl Engine {
    /// Takes a job in.
    ///
    /// # Errors
    /// `Denied` without `job:create`, `job:execute` and the permission for each environment,
    /// `Invalid` for a broken spec or an unknown driver, whatever a driver says of settings that it
    /// does not take, `AlreadyExists` if the idempotency key was used for something else.
    pub async fn submit(&self, principal: &Principal, spec: JobSpec) -> Result<Job> {
        principal.require(Permission::JobCreate)?;
        principal.require(Permission::JobExecute)?;
        spec.validate()?;
        for deployment in &spec.deployments {
            principal.require(Permission::to_deploy(&deployment.environment))?;
        }
        self.0.check_settings(&spec, None)?;
        let parts = &self.0;
        let id = JobId::from_number(parts.ids.next());
        let job = JobRef::new(principal.tenant.clone(), id);
        let at = parts.clock.now();
        let new = NewJob { job, spec, requested_by: principal.id.clone(), at };
        let created = parts.store.create(vec![new]).await?;
        let record =
            created.into_iter().next().ok_or_else(|| Error::unexpected("no job was created"))?;
        parts.queue.offer(&[candidate(&record, at)]).await?;
        Ok(record.job)
    }

    /// A job.
    ///
    /// # Errors
    /// `Denied` without `job:read`, `NotFound`.
    pub async fn job(&self, principal: &Principal, id: &JobId) -> Result<Job> {
        Ok(self.record(principal, Permission::JobRead, id).await?.job)
    }

    /// Jobs of the principal's tenant, newest first.
    ///
    /// # Errors
    /// `Denied` without `job:read`, `Invalid` for a broken cursor.
    pub async fn jobs(&self, principal: &Principal, query: &JobQuery) -> Result<JobPage> {
        principal.require(Permission::JobRead)?;
        self.0.store.list(&principal.tenant, query).await
    }

    /// The job's events after number `after`.
    ///
    /// # Errors
    /// `Denied` without `job:read`, `NotFound`.
    pub async fn history(
        &self,
        principal: &Principal,
        id: &JobId,
        after: u64,
    ) -> Result<Vec<EventEnvelope>> {
        let job = reference(principal, id);
        principal.require_on(Permission::JobRead, &job)?;
        self.0.store.history(&job, after, 1000).await
    }

    /// The names of the job's logs.
    ///
    /// # Errors
    /// `Denied` without `job:read`, `NotFound`.
    pub async fn log_names(&self, principal: &Principal, id: &JobId) -> Result<Vec<String>> {
        let record = self.record(principal, Permission::JobRead, id).await?;
        self.0.logs.list(&record.job.reference()).await
    }

    /// A piece of a log.
    ///
    /// # Errors
    /// `Denied` without `job:read`, `NotFound`.
    pub async fn log(
        &self,
        principal: &Principal,
        id: &JobId,
        name: &str,
        range: Range<u64>,
    ) -> Result<LogPage> {
        let record = self.record(principal, Permission::JobRead, id).await?;
        let log = LogId { job: record.job.reference(), name: name.to_owned() };
        self.0.logs.read(&log, range).await
    }

    /// An artifact of the job.
    ///
    /// # Errors
    /// `Denied` without `job:read`, `NotFound` for the job or the name.
    pub async fn artifact(
        &self,
        principal: &Principal,
        id: &JobId,
        name: &str,
    ) -> Result<(Artifact, ByteStream)> {
        let record = self.record(principal, Permission::JobRead, id).await?;
        let artifact = record.job.artifact_named(name).cloned().ok_or_else(|| {
            Error::not_found("the job has no such artifact").context("name", name)
        })?;
        let bytes = self.0.artifacts.get(&principal.tenant, &artifact.checksum, None).await?;
        Ok((artifact, bytes))
    }

    /// Wants a job to stop. A job that waits ends at once; one that runs is told.
    ///
    /// # Errors
    /// `Denied` without `job:abort`, `NotFound`, `Conflict` if it has ended.
    pub async fn cancel(
        &self,
        principal: &Principal,
        id: &JobId,
        reason: Option<String>,
    ) -> Result<Job> {
        self.act(principal, Permission::JobAbort, id, |_| {
            Ok(Event::CancelRequested { reason: reason.clone() })
        })
        .await
    }

    /// Agrees to a waiting job.
    ///
    /// # Errors
    /// `Denied` without `job:approve` or to whoever asked for the change, `Conflict` if the job
    /// does not wait or the question is another one by now.
    pub async fn approve(
        &self,
        principal: &Principal,
        id: &JobId,
        consent: impl Into<Consent> + Send,
    ) -> Result<Job> {
        let consent = consent.into();
        self.act(principal, Permission::JobApprove, id, |record| {
            principal.require_to_approve(&record.job)?;
            let request = question(record, &consent)?;
            Ok(Event::ApprovalGranted(Grant {
                id: request.id.clone(),
                binding: request.binding,
                generation: request.generation,
                by: principal.id.clone(),
                comment: consent.comment.clone(),
            }))
        })
        .await
    }

    /// Refuses a waiting job.
    ///
    /// # Errors
    /// As [`Engine::approve`]; whoever asked for a change may refuse it.
    pub async fn refuse(
        &self,
        principal: &Principal,
        id: &JobId,
        consent: impl Into<Consent> + Send,
    ) -> Result<Job> {
        let consent = consent.into();
        self.act(principal, Permission::JobApprove, id, |record| {
            let request = question(record, &consent)?;
            Ok(Event::ApprovalRefused {
                id: request.id.clone(),
                by: principal.id.clone(),
                comment: consent.comment.clone(),
            })
        })
        .await
    }

    /// Decides on a job that could not be rolled back.
    ///
    /// # Errors
    /// `Denied` without `deploy:rollback`, `NotFound`, `Conflict` if the job needs nobody.
    pub async fn resolve(
        &self,
        principal: &Principal,
        id: &JobId,
        resolution: Resolution,
    ) -> Result<Job> {
        self.act(principal, Permission::DeployRollback, id, |_| {
            Ok(Event::OperatorResolved { resolution })
        })
        .await
    }

    /// Has a job planned again on the base as it is now. Every approval dies with the old plan.
    ///
    /// # Errors
    /// `Denied` without `job:update`, `NotFound`, `Conflict` if a target was touched already or the
    /// change is being made public.
    pub async fn replan(&self, principal: &Principal, id: &JobId, reason: String) -> Result<Job> {
        self.act(principal, Permission::JobUpdate, id, |record| {
            // The attestation is recorded before anything is public.
            let begun = record.job.artifact_named("attestation").is_some();
            if begun || record.state.phase == Phase::Running(Stage::Publish) {
                return Err(Error::new(ErrorKind::Conflict, "the change is being made public")
                    .context("job", &record.job.id));
            }
            Ok(Event::Replanned { reason: reason.clone() })
        })
        .await
    }

    async fn record(
        &self,
        principal: &Principal,
        permission: Permission,
        id: &JobId,
    ) -> Result<JobRecord> {
        let job = reference(principal, id);
        principal.require_on(permission, &job)?;
        self.0.store.load(&job).await
    }

    /// Writes one event in the principal's name, again and again while the job moves.
    async fn act(
        &self,
        principal: &Principal,
        permission: Permission,
        id: &JobId,
        event: impl Fn(&JobRecord) -> Result<Event> + Send,
    ) -> Result<Job> {
        let parts = &self.0;
        for _ in 0..ATTEMPTS {
            let before = self.record(principal, permission, id).await?;
            let event = event(&before)?;
            let now = parts.clock.now();
            let mut record = before.clone();
            record.apply(&event, now).map_err(|illegal| explain(&before, illegal.into()))?;
            let commit = Commit {
                id: CommitId::from_number(parts.ids.next()),
                expected: before.version,
                fence: None,
                actor: Actor::Principal(principal.id.clone()),
                events: vec![event],
                dispatch: parts.dispatch(&record.state, now),
                outbox: Message::of_change(&before, &record).into_iter().collect(),
                keeps: Vec::new(),
            };
            let job = record.job.reference();
            match parts.store.commit(&job, commit).await {
                Ok(_) => {
                    if record.state.phase.is_terminal() {
                        seal_all(&*parts.logs, &job, AFTER_ALL).await;
                    }
                    parts.queue.offer(&[candidate(&record, now)]).await?;
                    return Ok(parts.store.load(&job).await?.job);
                }
                Err(error) if error.is_conflict() => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::new(ErrorKind::Unavailable, "the job changes faster than it can be written")
            .context("job", id))
    }
}

fn reference(principal: &Principal, id: &JobId) -> JobRef {
    JobRef::new(principal.tenant.clone(), id.clone())
}

/// The open question, if it is the one that was looked at.
fn question<'a>(
    record: &'a JobRecord,
    consent: &Consent,
) -> Result<&'a crate::event::ApprovalRequest> {
    let waiting = record.state.phase == Phase::AwaitingApproval;
    let request = record.state.approval.as_ref().map(|approval| &approval.request);
    let request = request.filter(|_| waiting).ok_or_else(|| {
        Error::new(ErrorKind::Conflict, "the job does not wait for approval")
            .code("not_waiting")
            .context("job", &record.job.id)
            .context("status", record.job.status.as_str())
    })?;
    if consent.approval.as_ref().is_some_and(|looked_at| *looked_at != request.id) {
        return Err(Error::new(ErrorKind::Conflict, "the change was planned again since")
            .code("stale_approval")
            .context("job", &record.job.id)
            .advice("look at the change as it is now"));
    }
    Ok(request)
}

fn explain(record: &JobRecord, error: Error) -> Error {
    error.context("job", &record.job.id).context("status", record.job.status.as_str())
}
