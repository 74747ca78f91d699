//! Releases that go live, or do not: promises 1 to 4 and 9 to 11.

use crate::{
    conformance::{
        check::refused,
        target::{Deploying, Sample, Target, call},
    },
    error::{ErrorKind, Result},
    release::HealthStatus,
    traits::LogQuery,
};

/// Promise 1.
pub async fn a_preview_changes_nothing(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    let first = call(1);
    let request = deploying.request(&first, "one", Sample::Healthy, "staging").await?;
    let before = deploying.target.fingerprint().await;
    let plan = deploying.deployer.preview(&request).await?;
    assert_eq!(deploying.target.fingerprint().await, before);
    assert_eq!(plan.current, None);
    let release = deploying.apply(&first, &request).await?;
    assert_eq!(plan.changes.is_empty(), !release.changed, "it names what the apply does");
    let before = deploying.target.fingerprint().await;
    let plan = deploying.deployer.preview(&request).await?;
    assert!(plan.changes.is_empty(), "what is live needs nothing: {plan:?}");
    let other = deploying.request(&call(2), "two", Sample::Healthy, "staging").await?;
    let plan = deploying.deployer.preview(&other).await?;
    if release.changed {
        assert_eq!(plan.current.as_deref(), Some(request.release.version()));
        assert!(!plan.changes.is_empty());
    }
    assert_eq!(deploying.target.fingerprint().await, before);
    Ok(())
}

/// Promise 2.
pub async fn an_applied_release_serves(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    let first = call(1);
    let request = deploying.request(&first, "one", Sample::Healthy, "staging").await?;
    let release = deploying.apply(&first, &request).await?;
    assert_eq!(release.reference, request.reference());
    assert_eq!(release.previous, None);
    let capabilities = deploying.deployer.capabilities();
    assert_eq!(release.fencing, capabilities.fencing);
    if !deploying.looks() {
        return Ok(());
    }
    assert!(release.changed);
    deploying.assert_serving(Some("one")).await;
    let health = deploying.deployer.health(&request.config, &release.reference).await?;
    assert_eq!(health.status, HealthStatus::Healthy, "{}", health.detail);
    let second = deploying.healthy(2, "two").await?;
    assert_eq!(second.previous, Some(release.reference.version.clone()));
    deploying.assert_serving(Some("two")).await;
    let health = deploying.deployer.health(&request.config, &release.reference).await?;
    assert_ne!(health.status, HealthStatus::Healthy, "the release before does not serve");
    Ok(())
}

/// Promise 3.
pub async fn applying_twice_changes_nothing(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    let first = deploying.healthy(1, "one").await?;
    let before = deploying.target.fingerprint().await;
    let again = deploying.healthy(1, "one").await?;
    assert!(!again.changed);
    assert_eq!(again.reference, first.reference);
    assert_eq!(deploying.target.fingerprint().await, before, "nothing was written");
    if deploying.looks() {
        deploying.assert_serving(Some("one")).await;
    }
    Ok(())
}

/// Promise 4.
pub async fn an_unhealthy_release_is_rolled_back(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() || !deploying.looks() {
        return Ok(());
    }
    let first = deploying.healthy(1, "one").await?;
    let second = call(2);
    let bad = deploying.request(&second, "bad", Sample::Unhealthy, "staging").await?;
    let error = deploying.apply(&second, &bad).await.expect_err("it is not healthy");
    assert_eq!(error.code_str(), "unhealthy", "{error}");
    deploying.assert_serving(Some("one")).await;
    let health = deploying.deployer.health(&bad.config, &first.reference).await?;
    assert_eq!(health.status, HealthStatus::Healthy, "{}", health.detail);
    deploying.healthy(3, "three").await?;
    deploying.assert_serving(Some("three")).await;
    Ok(())
}

/// Promise 4, where nothing served before.
pub async fn an_unhealthy_first_release_leaves_nothing(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() || !deploying.looks() {
        return Ok(());
    }
    let first = call(1);
    let bad = deploying.request(&first, "bad", Sample::Unhealthy, "staging").await?;
    let error = deploying.apply(&first, &bad).await.expect_err("it is not healthy");
    assert_eq!(error.code_str(), "unhealthy", "{error}");
    deploying.assert_serving(None).await;
    assert_eq!(deploying.deployer.preview(&bad).await?.current, None);
    Ok(())
}

/// Promise 9.
pub async fn a_broken_config_is_invalid(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    let first = call(1);
    let mut request = deploying.request(&first, "one", Sample::Healthy, "staging").await?;
    let before = deploying.target.fingerprint().await;
    let (config, field) = deploying.target.broken_config();
    request.config = config.clone();
    let errors = [
        refused(deploying.deployer.preview(&request).await, ErrorKind::Invalid),
        refused(deploying.apply(&first, &request).await, ErrorKind::Invalid),
        refused(deploying.deployer.health(&config, &request.reference()).await, ErrorKind::Invalid),
    ];
    for error in errors {
        assert_eq!(error.context_value("field"), Some(field), "{error}");
    }
    assert_eq!(deploying.target.fingerprint().await, before, "nothing was touched");
    Ok(())
}

/// Promise 16.
pub async fn a_check_refuses_what_an_apply_would(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    let first = call(1);
    let mut request = deploying.request(&first, "one", Sample::Healthy, "staging").await?;
    let before = deploying.target.fingerprint().await;
    deploying.deployer.check(&request.config)?;
    (request.config, _) = deploying.target.broken_config();
    let early = refused(deploying.deployer.check(&request.config), ErrorKind::Invalid);
    let late = refused(deploying.apply(&first, &request).await, ErrorKind::Invalid);
    assert_eq!(early.context_value("field"), late.context_value("field"), "{early}");
    assert_eq!(early.code_str(), late.code_str(), "{early}");
    assert_eq!(deploying.target.fingerprint().await, before, "nothing was touched");
    Ok(())
}

/// What the gate let through is what is deployed, or nothing is.
pub async fn a_damaged_bundle_is_never_live(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    deploying.healthy(1, "one").await?;
    let second = call(2);
    let request = deploying.request(&second, "two", Sample::Healthy, "staging").await?;
    deploying.artifacts.damage(&second.job.tenant, request.release.bundle());
    let answer = deploying.apply(&second, &request).await;
    assert!(answer.is_err(), "deployed a damaged bundle: {answer:?}");
    deploying.assert_serving(Some("one")).await;
    Ok(())
}

/// Promise 10: before anything was done, and while it is waited for the health.
pub async fn a_cancelled_apply_leaves_the_old_release(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    let early = call(1);
    early.cancel.cancel();
    let request = deploying.request(&early, "zero", Sample::Healthy, "staging").await?;
    let before = deploying.target.fingerprint().await;
    refused(deploying.apply(&early, &request).await, ErrorKind::Cancelled);
    assert_eq!(deploying.target.fingerprint().await, before, "nothing was touched");
    if !deploying.rolls_back() || !deploying.looks() {
        return Ok(());
    }
    deploying.healthy(2, "one").await?;
    let late = call(3);
    let bad = deploying.request(&late, "bad", Sample::Unhealthy, "staging").await?;
    let wish = late.cancel.clone();
    let (answer, ()) = tokio::join!(deploying.apply(&late, &bad), async move {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        wish.cancel();
    });
    refused(answer, ErrorKind::Cancelled);
    deploying.assert_serving(Some("one")).await;
    Ok(())
}

/// What a worker intends without its lease is not done.
pub async fn a_lost_lease_deploys_nothing(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.rolls_back() {
        return Ok(());
    }
    deploying.healthy(1, "one").await?;
    let second = call(2);
    second.journal.lose_lease();
    let request = deploying.request(&second, "two", Sample::Healthy, "staging").await?;
    refused(deploying.apply(&second, &request).await, ErrorKind::Fenced);
    deploying.assert_serving(Some("one")).await;
    Ok(())
}

/// Promise 11.
pub async fn the_logs_are_the_releases_own(target: impl Target) -> Result<()> {
    let deploying = Deploying::on(target);
    if !deploying.can("logs", deploying.deployer.capabilities().logs) {
        return Ok(());
    }
    let first = deploying.healthy(1, "first-label").await?;
    let second = deploying.healthy(2, "second-label").await?;
    let config = deploying.target.config("staging");
    for (release, own, other) in
        [(&first, "first-label", "second-label"), (&second, "second-label", "first-label")]
    {
        let query = LogQuery::default();
        let log = deploying.deployer.logs(&config, &release.reference, &query).await?;
        let log = log.collect(1 << 20).await?;
        let text = String::from_utf8_lossy(&log);
        assert!(text.contains(own), "{own} is not in {text:?}");
        assert!(!text.contains(other), "{other} is in {text:?}");
        let query = LogQuery::default().tail(1);
        let end = deploying.deployer.logs(&config, &release.reference, &query).await?;
        let end = end.collect(1 << 20).await?;
        assert_eq!(String::from_utf8_lossy(&end).lines().count(), 1);
    }
    let mut never = first.reference;
    "0123456789abcdef".clone_into(&mut never.version);
    let unknown = deploying.deployer.logs(&config, &never, &LogQuery::default()).await;
    refused(unknown, ErrorKind::NotFound);
    Ok(())
}
