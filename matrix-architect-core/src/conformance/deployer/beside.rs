//! Who else is at the target: promises 8 and 12 to 14.

use crate::{
    conformance::{
        check::refused,
        target::{Deploying, Sample, Target, call},
    },
    error::{ErrorKind, Result},
    release::{Fencing, Release},
};

/// Promise 8.
pub async fn an_older_fence_is_refused(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    let fenced = deploying.deployer.capabilities().fencing == Fencing::Target;
    if !deploying.can("fencing at the target", fenced) {
        return Ok(());
    }
    let newer = deploying.healthy(5, "one").await?;
    let before = deploying.target.fingerprint().await;
    refused(deploying.healthy(4, "two").await, ErrorKind::Fenced);
    refused(deploying.roll_back((5, 4), &newer).await, ErrorKind::Fenced);
    assert_eq!(deploying.target.fingerprint().await, before, "nothing was written");
    deploying.assert_serving(Some("one")).await;
    deploying.healthy(5, "two").await?;
    Ok(())
}

/// Promise 12.
pub async fn another_environment_is_untouched(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() || !deploying.looks() {
        return Ok(());
    }
    let (first, second) = (call(1), call(2));
    let staging = deploying.request(&first, "one", Sample::Healthy, "staging").await?;
    let production = deploying.request(&second, "two", Sample::Healthy, "production").await?;
    deploying.apply(&first, &staging).await?;
    let release = deploying.apply(&second, &production).await?;
    assert_eq!(release.previous, None, "it is the first one there");
    deploying.assert_serving(Some("one")).await;
    assert_eq!(deploying.target.serving("production").await.as_deref(), Some("two"));
    deploying.roll_back((2, 3), &release).await?;
    deploying.assert_serving(Some("one")).await;
    assert_eq!(deploying.target.serving("production").await, None);
    Ok(())
}

/// Promise 13.
pub async fn another_jobs_release_stays(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    let first = deploying.healthy(1, "one").await?;
    let stays = Some((first.reference.clone(), false));
    let seen =
        |release: Option<Release>| release.map(|release| (release.reference, release.changed));
    let intended_only = deploying.roll_back((2, 2), &first).await?;
    assert_eq!(seen(intended_only), stays, "the job never came to apply it");
    deploying.assert_serving(Some("one")).await;
    let found = deploying.healthy((2, 3), "one").await?;
    assert!(!found.changed);
    assert_eq!(seen(deploying.roll_back((2, 4), &found).await?), stays, "it was live before");
    deploying.assert_serving(Some("one")).await;
    // Whose it is, a later attempt of the same job can take it back.
    let again = deploying.healthy((1, 5), "one").await?;
    assert!(!again.changed);
    assert_eq!(deploying.roll_back((1, 6), &again).await?, None);
    deploying.assert_serving(None).await;
    Ok(())
}

/// Promise 14.
pub async fn a_release_stays_while_another_job_relies_on_it(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    let before = deploying.healthy(1, "zero").await?;
    let made = deploying.healthy(2, "one").await?;
    let found = deploying.healthy(3, "one").await?;
    assert!(made.changed && !found.changed);
    for fence in [4, 5] {
        let serves = deploying.roll_back((2, fence), &made).await?.expect("it serves the other");
        assert_eq!((serves.reference, serves.changed), (made.reference.clone(), false));
        deploying.assert_serving(Some("one")).await;
    }
    // It has nothing of its own there any more; the other one has.
    let serves = deploying.roll_back((3, 6), &found).await?.expect("the release before");
    assert_eq!((serves.reference, serves.changed), (before.reference, true));
    deploying.assert_serving(Some("zero")).await;
    Ok(())
}

/// Promise 15.
pub async fn what_was_taken_back_stays_away(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    let before = deploying.healthy(1, "zero").await?;
    let rejected = deploying.healthy(2, "one").await?;
    let later = deploying.healthy(3, "two").await?;
    for fence in [4, 5] {
        let serves = deploying.roll_back((2, fence), &rejected).await?.expect("the later one");
        assert_eq!((serves.reference, serves.changed), (later.reference.clone(), false));
        deploying.assert_serving(Some("two")).await;
    }
    let serves = deploying.roll_back((3, 6), &later).await?.expect("the one nobody took back");
    assert_eq!((serves.reference, serves.changed), (before.reference, true));
    deploying.assert_serving(Some("zero")).await;
    Ok(())
}
