//! Taking a job as far as it goes while somebody watches.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use matrix_architect_core::{
    error::{Error, Result},
    id::WorkerId,
    job::{Job, JobStatus},
    principal::Principal,
    traits::{Cancel, Ids as _},
};
use matrix_architect_deploy::publish::BUNDLE;
use matrix_architect_store::system::SystemIds;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};

use super::{context::Context, exit::Exit};
use crate::{
    composition::Installation,
    home::write_atomically,
    output::{Progress, RunReport, summary},
};

/// How often the job's events are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Drives a job to its end, or until somebody has to act, and reports.
pub(super) async fn to_rest(
    context: &Context,
    here: &Installation,
    principal: &Principal,
    job: &Job,
) -> Result<Exit> {
    // Before anything is begun that somebody may want to stop.
    let signals = Signals::listen()?;
    let drain = Cancel::new();
    let worker = here.engine.worker(WorkerId::from_number(SystemIds.next()));
    let (reference, stop) = (job.reference(), drain.clone());
    let driving = tokio::spawn(async move { worker.drive(&reference, &stop).await });
    let watch = Watch { context, here, principal, job, drain };
    let job = watch.until(driving, signals).await?;
    report(context, here, job)
}

struct Watch<'a> {
    context: &'a Context,
    here: &'a Installation,
    principal: &'a Principal,
    job: &'a Job,
    drain: Cancel,
}

impl Watch<'_> {
    async fn until(
        &self,
        mut driving: JoinHandle<Result<Job>>,
        mut signals: Signals,
    ) -> Result<Job> {
        let mut progress = Progress::new(self.context.screen);
        let mut interrupted = false;
        let driven = loop {
            tokio::select! {
                driven = &mut driving => break driven,
                () = tokio::time::sleep(LOOK) => self.show(&mut progress).await?,
                // Whoever ends the process wants it gone, not the change: it can be resumed.
                _ = signals.terminations.recv() => self.drain.cancel(),
                _ = signals.interrupts.recv() => {
                    if std::mem::replace(&mut interrupted, true) {
                        progress.finish();
                        return Err(left_behind(self.job));
                    }
                    self.cancel(&progress).await?;
                }
            }
        };
        self.show(&mut progress).await?;
        progress.finish();
        driven.map_err(|cause| {
            Error::unexpected("the worker broke off")
                .context("job", &self.job.id)
                .advice("run the same command again to go on")
                .source(cause)
        })?
    }

    /// Shows what has happened since.
    async fn show(&self, progress: &mut Progress) -> Result<()> {
        let engine = &self.here.engine;
        for envelope in engine.history(self.principal, &self.job.id, progress.seen()).await? {
            progress.show(&envelope);
        }
        Ok(())
    }

    async fn cancel(&self, progress: &Progress) -> Result<()> {
        progress.print("stopping; press Ctrl-C again to leave the job as it is");
        let reason = Some("interrupted at the terminal".to_owned());
        match self.here.engine.cancel(self.principal, &self.job.id, reason).await {
            // It ended by itself a moment before.
            Err(error) if error.is_conflict() => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

/// What somebody may send to the process.
struct Signals {
    interrupts: Signal,
    terminations: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| {
            signal(kind).map_err(|cause| {
                Error::unexpected("the system does not let signals be handled").source(cause)
            })
        };
        Ok(Self {
            interrupts: listen(SignalKind::interrupt())?,
            terminations: listen(SignalKind::terminate())?,
        })
    }
}

fn left_behind(job: &Job) -> Error {
    Error::new(matrix_architect_core::ErrorKind::Cancelled, "left in the middle")
        .context("job", &job.id)
        .advice("run the same command again, or architect resume, to bring it to its end")
}

/// Says how it ended.
fn report(context: &Context, here: &Installation, job: Job) -> Result<Exit> {
    let exit = Exit::at(job.status);
    let attestation = export(here, &job)?;
    let public_key = attestation.is_some().then(|| here.home.public_key());
    let command = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let verify = attestation.as_ref().zip(public_key.as_ref()).map(|(path, key)| {
        let (path, key) = (path.display().to_string(), key.display().to_string());
        let mut words = command(&["architect", "verify", &path, "--key", &key]);
        if let Some(bundle) = published(&job) {
            words.extend(command(&["--artifact", &bundle.display().to_string()]));
        }
        words
    });
    let approval = job.gate.as_ref().and_then(|gate| gate.approval_id.as_ref());
    let approve = (job.status == JobStatus::WaitingApproval).then(|| {
        let data = here.home.path().display().to_string();
        let mut words = command(&["architect", "approve", job.id.as_str(), "--as", "SOMEBODY"]);
        if let Some(approval) = approval {
            words.extend(command(&["--approval", approval.as_str()]));
        }
        words.extend(command(&["--data", &data]));
        words
    });
    let resolve = context.resolve(&job)?;
    let exit_code = exit.code();
    let report = RunReport { exit_code, job, attestation, public_key, verify, approve, resolve };
    if context.screen.is_json() {
        context.screen.json(&report)?;
    } else {
        context.screen.say(&summary(context.screen, &report));
    }
    Ok(exit)
}

/// The bundle where it was published on this machine, if it was.
fn published(job: &Job) -> Option<PathBuf> {
    let mut places = job.publications.iter().filter(|one| one.driver == "directory");
    let folder = places.find_map(|one| one.uri.strip_prefix("file://"))?;
    Some(Path::new(folder).join(BUNDLE))
}

/// Leaves the attestation as a file that other tools read, too.
fn export(here: &Installation, job: &Job) -> Result<Option<PathBuf>> {
    let Some(attestation) = &job.attestation else { return Ok(None) };
    let mut bytes = serde_json::to_vec_pretty(&attestation.envelope)
        .map_err(|cause| Error::unexpected("an envelope has no JSON form").source(cause))?;
    bytes.push(b'\n');
    let path = here.home.attestation(job.id.as_str());
    write_atomically(&path, &bytes, 0o644)?;
    Ok(Some(path))
}
