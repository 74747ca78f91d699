//! Making a release live.

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    id::Digest,
    release::{GatedRelease, Release},
};

use super::{
    client::Bundle,
    environment::Variables,
    gate::Verdict,
    history::Happening,
    render, service,
    slot::{Slot, SlotState, State},
    stopped, undo,
    work::Work,
};

/// Makes a release live, or leaves what was.
pub(super) async fn apply(work: &Work<'_>, release: &GatedRelease) -> Result<Release> {
    work.go_on()?;
    let variables = variables(work, release).await?;
    let _held = work.lock().await?;
    let state = work.host().state(&work.place).await?;
    let intact = work.host().is_intact(&work.place, release.version()).await?;
    if intact && let Some(release) = unchanged(work, &state, release.version(), &variables).await? {
        return Ok(release);
    }
    if intact {
        work.cx.log.line(&format!("release {} is on disk already", release.version()));
    } else {
        stage(work, release).await?;
    }
    let slot = slot(work, &state, release);
    ready(work, &slot, &variables).await?;
    let step = step("apply", &slot, work.environment);
    if let Err(error) = announce(work, &slot, &step).await {
        work.host().remove(&work.place.slot(slot.number)).await?;
        return Err(error);
    }
    let before = slot.previous.and_then(|number| state.slot(number)).map(|(slot, _)| slot);
    let replaced = state.live().map(|(slot, _)| slot);
    match go_live(work, &slot, &variables, replaced).await {
        Ok(verdict) => {
            work.host().mark(&work.place, slot.number, SlotState::Applied).await?;
            work.reached("applied");
            work.cx.journal.done(&step, outcome(&slot)).await?;
            work.tidy(&slot, Happening::Applied, Some(&slot), "").await;
            Ok(work.release(&slot, true, verdict))
        }
        Err(trouble) => Err(return_to(work, &slot, before, &variables, trouble).await),
    }
}

async fn variables(work: &Work<'_>, release: &GatedRelease) -> Result<Variables> {
    let Work { settings, environment, cx, .. } = work;
    let values = Variables::resolve(settings, release.tenant(), environment, cx.secrets).await?;
    Ok(values.with("RELEASE_VERSION", release.version()))
}

/// The live release, if it is this one, with these settings and values, and serves.
async fn unchanged(
    work: &Work<'_>,
    state: &State,
    version: &str,
    variables: &Variables,
) -> Result<Option<Release>> {
    let Some((slot, SlotState::Applied)) = state.live() else { return Ok(None) };
    if slot.version != version || slot.settings != work.settings {
        return Ok(None);
    }
    let values = work.variables(slot).await?;
    let unit = service::installed(work.host(), &work.settings, work.environment).await?;
    let wanted = render::unit_text(&work.settings, &work.place, work.environment);
    if values.to_file().expose() != variables.to_file().expose() || unit != wanted {
        return Ok(None);
    }
    match work.watched(slot, variables).once().await {
        Verdict::Unhealthy(reason) => {
            work.cx.log.line(&format!("release {version} is live and not healthy: {reason}"));
            Ok(None)
        }
        verdict => {
            join(work, state, slot).await?;
            Ok(Some(work.release(slot, false, verdict)))
        }
    }
}

/// Says that the release is live for this job, too: from now on nobody else takes it away from it.
async fn join(work: &Work<'_>, state: &State, slot: &Slot) -> Result<()> {
    let mut jobs = state.jobs(slot);
    if !jobs.insert(work.cx.job.clone()) {
        return Ok(());
    }
    work.host().share(&work.place, slot.number, jobs).await?;
    work.reached("joined");
    Ok(())
}

async fn stage(work: &Work<'_>, release: &GatedRelease) -> Result<()> {
    let version = release.version();
    work.cx.log.line(&format!("unpacking release {version}"));
    let content = work.cx.artifacts.get(release.tenant(), release.bundle(), None).await?;
    let (digest, cancel) = (release.bundle(), work.cx.cancel);
    work.host().stage(&work.place, Bundle { version, digest, content, cancel }).await?;
    work.reached("staged");
    work.go_on()
}

/// The deployment that will be, on top of the last one that was seen healthy.
fn slot(work: &Work<'_>, state: &State, release: &GatedRelease) -> Slot {
    let before = state.proven(work.cx.job);
    Slot {
        number: state.next_number(),
        version: release.version().to_owned(),
        previous: before.map(|slot| slot.number),
        previous_version: before.map(|slot| slot.version.clone()),
        job: work.cx.job.clone(),
        at: work.cx.clock.now(),
        settings: work.settings.clone(),
    }
}

/// Writes the deployment down and checks its unit: the last that leaves no trace.
async fn ready(work: &Work<'_>, slot: &Slot, variables: &Variables) -> Result<()> {
    work.host().prepare(&work.place, slot, variables).await?;
    work.reached("prepared");
    let checked = work.service().verify(slot).await.and_then(|()| work.go_on());
    if checked.is_err() {
        work.host().remove(&work.place.slot(slot.number)).await?;
    }
    checked
}

/// Says in the job and at the target what is about to be done.
async fn announce(work: &Work<'_>, slot: &Slot, step: &str) -> Result<()> {
    work.cx.journal.intend(step).await?;
    work.record(slot, Happening::Intended, None, "").await?;
    work.reached("intended");
    Ok(())
}

/// The step's name in the journal.
pub(super) fn step(what: &str, slot: &Slot, environment: &str) -> String {
    format!("{what} {}/{environment}/{} {}", super::DRIVER, slot.settings.service, slot.version)
}

/// What the journal remembers of it: equal for an equal deployment.
pub(super) fn outcome(slot: &Slot) -> Digest {
    Digest::of(format!("{} of {}", slot.version, slot.settings.service))
}

/// Switches, restarts and waits until it is clear.
async fn go_live(
    work: &Work<'_>,
    slot: &Slot,
    variables: &Variables,
    replaced: Option<&Slot>,
) -> Result<Verdict, Error> {
    let from = replaced.map_or("nothing", |slot| slot.version.as_str());
    work.cx.log.line(&format!("switching from {from} to {}", slot.version));
    work.host().pivot(&work.place, Some(slot.number)).await?;
    work.reached("switched");
    let started = work.start(slot, variables, replaced).await;
    started.map_err(|error| unhealthy(&slot.version, "it could not be started").source(error))?;
    work.reached("started");
    match work.watched(slot, variables).wait(Some(work.cx.cancel)).await {
        Verdict::Unhealthy(reason) => Err(unhealthy(&slot.version, &reason)),
        Verdict::Cancelled => Err(stopped()),
        verdict => {
            work.reached("healthy");
            Ok(verdict)
        }
    }
}

fn unhealthy(version: &str, seen: &str) -> Error {
    Error::new(ErrorKind::Unexpected, "the release does not serve")
        .code("unhealthy")
        .context("version", version)
        .context("seen", seen)
}

/// Takes the deployment back, and says what came of both.
async fn return_to(
    work: &Work<'_>,
    slot: &Slot,
    before: Option<&Slot>,
    variables: &Variables,
    trouble: Error,
) -> Error {
    let version = &slot.version;
    work.cx.log.line(&format!("release {version} is taken back: {trouble}"));
    let said = last_words(work, slot, variables).await;
    if let Err(error) = undo::undo(work, slot, before).await {
        return error.context("after", trouble.to_string());
    }
    work.tidy(slot, Happening::Failed, before, &trouble.to_string()).await;
    let serving = before.map_or("nothing", |slot| slot.version.as_str());
    let trouble = trouble.context("serving", serving);
    let trouble = if said.is_empty() { trouble } else { trouble.context("log", said) };
    trouble.advice("look at the release's log; what served before serves again")
}

/// The last lines of the release's own log, without its secrets.
async fn last_words(work: &Work<'_>, slot: &Slot, variables: &Variables) -> String {
    let log = work.host().read(&work.place.output(slot.number)).await.ok().flatten();
    let text = log.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    let end: Vec<&str> = lines.into_iter().rev().collect();
    let end = variables.redact(&end.join(" | "));
    end.chars().take(400).collect()
}
