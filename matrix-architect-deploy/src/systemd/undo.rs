//! Taking a release back.

use matrix_architect_core::{
    error::{Error, Result},
    release::Release,
    traits::RollbackRequest,
};

use super::{
    apply::{outcome, step},
    deployer::check_reference,
    gate::Verdict,
    history::Happening,
    slot::{Slot, SlotState, State},
    work::Work,
};

/// Takes a release back, if it is live for this job and for no other. It is not stopped by a wish
/// to: it is itself the way to a known end.
pub(super) async fn rollback(
    work: &Work<'_>,
    request: &RollbackRequest,
) -> Result<Option<Release>> {
    check_reference(&request.config, &request.failed)?;
    let _held = work.lock().await?;
    let state = work.host().state(&work.place).await?;
    let Some((live, how_far)) = state.live() else {
        work.host().prune(&work.place, Vec::new()).await?;
        return Ok(None);
    };
    if *how_far == SlotState::Restoring {
        // A rollback was broken off between its switch and its end.
        let verdict = return_to(work, live, live).await?;
        if !is_meant(work, &state, live, &request.failed.version) {
            work.tidy(live, Happening::RolledBack, Some(live), "finished").await;
            return Ok(Some(work.release(live, true, verdict)));
        }
    }
    if !is_meant(work, &state, live, &request.failed.version) {
        renounce(work, &state, live, &request.failed.version).await?;
        return serving(work, live).await.map(Some);
    }
    if leave(work, &state, live).await? {
        return serving(work, live).await.map(Some);
    }
    let to = destination(&state, live, request.to.as_deref())?;
    let step = step("rollback", live, work.environment);
    work.cx.journal.intend(&step).await?;
    let verdict = undo(work, live, to).await?;
    work.cx.journal.done(&step, outcome(live)).await?;
    work.tidy(live, Happening::RolledBack, to, "").await;
    Ok(to.zip(verdict).map(|(slot, verdict)| work.release(slot, true, verdict)))
}

/// Whether the live deployment is what is taken back: the version alone does not tell, for another
/// job may have deployed the same one.
fn is_meant(work: &Work<'_>, state: &State, live: &Slot, failed: &str) -> bool {
    live.version == failed && state.jobs(live).contains(work.cx.job)
}

/// Marks what this job alone put there before the live one, so that no other job returns to it.
async fn renounce(work: &Work<'_>, state: &State, live: &Slot, failed: &str) -> Result<()> {
    for (slot, how_far) in &state.slots {
        let is_its = slot.version == failed && state.is_only_for(work.cx.job, slot);
        if is_its && slot.number < live.number && *how_far != SlotState::Undone {
            work.host().mark(&work.place, slot.number, SlotState::Undone).await?;
        }
    }
    Ok(())
}

/// Leaves the release to the other jobs it is live for, if there are any. Whether that are who
/// found it live or who made it: the last of them takes it back.
async fn leave(work: &Work<'_>, state: &State, live: &Slot) -> Result<bool> {
    let mut others = state.jobs(live);
    others.remove(work.cx.job);
    if others.is_empty() {
        return Ok(false);
    }
    work.host().share(&work.place, live.number, others).await?;
    work.reached("left");
    work.cx.log.line(&format!("release {} stays: another job relies on it", live.version));
    Ok(true)
}

/// What serves, when there is nothing to take back.
async fn serving(work: &Work<'_>, live: &Slot) -> Result<Release> {
    let variables = work.variables(live).await?;
    let verdict = work.watched(live, &variables).once().await;
    Ok(work.release(live, false, verdict))
}

/// The deployment to return to; `None` for nothing. What its own job took back meanwhile is passed
/// over, for what that one stands on.
fn destination<'s>(state: &'s State, live: &'s Slot, to: Option<&str>) -> Result<Option<&'s Slot>> {
    let previous = live.previous.and_then(|number| state.slot(number)).map(|(slot, _)| slot);
    match (to, previous) {
        (None, None) if live.previous.is_some() => {
            Err(lost(live.previous_version.as_deref().unwrap_or("unknown")))
        }
        (Some(version), previous) if previous.is_none_or(|slot| slot.version != version) => {
            earlier(state, live, version).map(Some)
        }
        _ => Ok(state.standing(live)),
    }
}

/// The last deployment of a version before the live one that was healthy.
fn earlier<'s>(state: &'s State, live: &Slot, version: &str) -> Result<&'s Slot> {
    let fits = |slot: &Slot| slot.version == version && slot.number < live.number;
    let healthy_once =
        |state: SlotState| matches!(state, SlotState::Applied | SlotState::Restoring);
    let mut slots = state.slots.iter().rev();
    let found = slots.find(|(slot, how_far)| fits(slot) && healthy_once(*how_far));
    found.map(|(slot, _)| slot).ok_or_else(|| lost(version))
}

fn lost(version: &str) -> Error {
    Error::not_found("the release to return to is not at the target any more")
        .code("release_lost")
        .context("version", version)
        .advice("deploy that version anew; 'keep' says how many releases are kept")
}

/// Puts `to` in the place of `failed`, sees that it serves, and marks both.
pub(super) async fn undo(
    work: &Work<'_>,
    failed: &Slot,
    to: Option<&Slot>,
) -> Result<Option<Verdict>> {
    let Some(old) = to else {
        let variables = work.variables(failed).await?;
        work.service().stop(failed, &variables).await?;
        work.reached("stopped");
        work.host().pivot(&work.place, None).await?;
        work.reached("returned");
        return Ok(None);
    };
    if !work.host().is_intact(&work.place, &old.version).await? {
        return Err(rollback_failed(old).source(lost(&old.version)));
    }
    let verdict = return_to(work, failed, old).await?;
    work.host().mark(&work.place, failed.number, SlotState::Undone).await?;
    work.reached("undone");
    Ok(Some(verdict))
}

/// Makes `old` live and sees it healthy. `failed` is what ran until now, or `old` itself when the
/// way back was broken off.
async fn return_to(work: &Work<'_>, failed: &Slot, old: &Slot) -> Result<Verdict> {
    // Said before the switch: whoever finds it live afterwards has to restart it.
    work.host().mark(&work.place, old.number, SlotState::Restoring).await?;
    work.reached("restoring");
    if failed.number != old.number {
        work.host().pivot(&work.place, Some(old.number)).await?;
    }
    work.reached("returned");
    let variables = work.variables(old).await?;
    let started = work.start(old, &variables, Some(failed)).await;
    started.map_err(|error| rollback_failed(old).source(error))?;
    work.reached("restarted");
    match work.watched(old, &variables).wait(None).await {
        Verdict::Unhealthy(reason) => Err(rollback_failed(old).context("seen", reason)),
        verdict => {
            work.host().mark(&work.place, old.number, SlotState::Applied).await?;
            work.reached("restored");
            Ok(verdict)
        }
    }
}

fn rollback_failed(old: &Slot) -> Error {
    Error::unexpected("the release before does not serve again")
        .code("rollback_failed")
        .context("version", &old.version)
        .advice("look at the service by hand; its release is in place and was healthy before")
}
