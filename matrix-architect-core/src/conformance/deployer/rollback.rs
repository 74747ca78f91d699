//! Releases that are taken back: promises 5 to 7.

use crate::{
    conformance::{
        check::refused,
        target::{Deploying, Target},
    },
    error::{ErrorKind, Result},
};

/// Promise 5.
pub async fn a_rollback_returns_to_the_release_before(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    let first = deploying.healthy(1, "one").await?;
    let second = deploying.healthy(2, "two").await?;
    let now = deploying.roll_back((2, 3), &second).await?.expect("the release before serves");
    assert_eq!(now.reference, first.reference);
    assert!(now.changed);
    deploying.assert_serving(Some("one")).await;
    Ok(())
}

/// Promise 6.
pub async fn a_rollback_of_a_first_release_leaves_nothing(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    let first = deploying.healthy(1, "one").await?;
    assert_eq!(deploying.roll_back((1, 2), &first).await?, None);
    deploying.assert_serving(None).await;
    assert_eq!(deploying.roll_back((1, 3), &first).await?, None, "and may be repeated");
    let again = deploying.healthy(4, "one").await?;
    assert!(again.changed);
    deploying.assert_serving(Some("one")).await;
    Ok(())
}

/// Promise 7.
pub async fn a_rollback_may_be_repeated(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    deploying.healthy(1, "one").await?;
    let second = deploying.healthy(2, "two").await?;
    let third = deploying.healthy(3, "three").await?;
    deploying.roll_back((3, 4), &third).await?;
    let before = deploying.target.fingerprint().await;
    let again = deploying.roll_back((3, 4), &third).await?.expect("something serves");
    assert_eq!((again.reference, again.changed), (second.reference.clone(), false));
    let mut never = third.reference;
    "0123456789abcdef".clone_into(&mut never.version);
    let again = deploying.roll_back_to((3, 4), &never, None).await?.expect("something serves");
    assert_eq!((again.reference, again.changed), (second.reference, false));
    assert_eq!(deploying.target.fingerprint().await, before, "nothing was written");
    deploying.assert_serving(Some("two")).await;
    Ok(())
}

/// Promise 5, with a version that is named.
pub async fn a_rollback_goes_to_the_version_that_is_asked_for(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    let first = deploying.healthy(1, "one").await?;
    deploying.healthy(2, "two").await?;
    let third = deploying.healthy(3, "three").await?;
    let to = Some("0123456789abcdef".to_owned());
    refused(deploying.roll_back_to((3, 4), &third.reference, to).await, ErrorKind::NotFound);
    deploying.assert_serving(Some("three")).await;
    let to = Some(first.reference.version.clone());
    let now = deploying.roll_back_to((3, 5), &third.reference, to).await?.expect("it serves");
    assert_eq!(now.reference, first.reference);
    deploying.assert_serving(Some("one")).await;
    Ok(())
}
