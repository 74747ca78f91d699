use std::{
    fmt::{self, Debug},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::*;
use crate::{
    error::{Error, ErrorKind, Result},
    id::TenantId,
    secret::{Scope, Secret, SecretRef},
    traits::{Cancel, SecretStore},
};

/// Fails so many times, or hangs, and counts.
#[derive(Debug)]
struct Moody {
    failures: usize,
    calls: AtomicUsize,
    failure: fn() -> Error,
    takes: Duration,
}

impl Moody {
    fn failing(failures: usize, failure: fn() -> Error) -> Arc<Self> {
        Arc::new(Self { failures, calls: AtomicUsize::new(0), failure, takes: Duration::ZERO })
    }
    fn slow(takes: Duration) -> Arc<Self> {
        Arc::new(Self { failures: 0, calls: AtomicUsize::new(0), failure: unavailable, takes })
    }
    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl SecretStore for Moody {
    async fn get(&self, _scope: &Scope, _reference: &SecretRef) -> Result<Secret> {
        let before = self.calls.fetch_add(1, Ordering::SeqCst);
        sleep(self.takes).await;
        if before < self.failures { Err((self.failure)()) } else { Ok(Secret::new("top-secret")) }
    }
}

fn unavailable() -> Error {
    Error::new(ErrorKind::Unavailable, "out of order")
}

async fn get(store: &impl SecretStore) -> Result<Secret> {
    let scope = Scope { tenant: TenantId::default(), environment: None };
    store.get(&scope, &SecretRef::new("env://TOKEN")?).await
}

fn retry(inner: &Arc<Moody>) -> Retry<Moody> {
    Retry::new(Arc::clone(inner), RetryConfig::default())
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_called_again_after_growing_waits() {
    let inner = Moody::failing(3, unavailable);
    let start = Instant::now();
    assert!(get(&retry(&inner)).await.is_ok());
    assert_eq!(inner.calls(), 4);
    // The timer counts in whole milliseconds.
    assert!((350..=360).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn attempts_are_bounded_and_the_last_error_is_told() {
    let inner = Moody::failing(99, unavailable);
    assert_eq!(get(&retry(&inner)).await.unwrap_err().message(), "out of order");
    assert_eq!(inner.calls(), 4);
}

#[tokio::test(start_paused = true)]
async fn what_will_not_pass_is_called_once() {
    for failure in [
        || Error::not_found("no"),
        || Error::new(ErrorKind::Fenced, "no"),
        || Error::new(ErrorKind::Conflict, "no"),
        || Error::new(ErrorKind::Cancelled, "no"),
    ] {
        let inner = Moody::failing(1, failure);
        assert!(get(&retry(&inner)).await.is_err());
        assert_eq!(inner.calls(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_a_backend_asks_for_is_kept() {
    let inner = Moody::failing(1, || {
        Error::new(ErrorKind::RateLimited, "slow down").retry_after(Duration::from_millis(1500))
    });
    let start = Instant::now();
    assert!(get(&retry(&inner)).await.is_ok());
    assert!((1500..=1510).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_long_is_left_to_the_caller() {
    let inner = Moody::failing(1, || {
        Error::new(ErrorKind::RateLimited, "slow down").retry_after(Duration::from_mins(5))
    });
    let start = Instant::now();
    assert_eq!(get(&retry(&inner)).await.unwrap_err().kind(), ErrorKind::RateLimited);
    assert_eq!((inner.calls(), start.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_not_repeated() {
    let (inner, cancel) = (Moody::failing(99, unavailable), Cancel::new());
    let call = || async {
        if inner.calls() == 1 {
            cancel.cancel();
        }
        get(&*inner).await
    };
    assert!(RetryConfig::default().unless(&cancel, "apply", call).await.is_err());
    assert_eq!(inner.calls(), 2);
}

const CONFIG: TimeoutConfig = TimeoutConfig {
    call: Duration::from_secs(1),
    effect: Duration::from_secs(10),
    grace: Duration::from_secs(2),
};

#[tokio::test(start_paused = true)]
async fn a_read_that_takes_too_long_is_dropped() {
    let start = Instant::now();
    let slow = Timeout::new(Moody::slow(Duration::from_mins(1)), CONFIG);
    assert_eq!(get(&slow).await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(start.elapsed() >= CONFIG.call && start.elapsed() < CONFIG.call * 2);
    let quick = Timeout::new(Moody::slow(Duration::from_millis(900)), CONFIG);
    assert!(get(&quick).await.is_ok());
}

/// What an effect does that sees its `Cancel` after a while, or never.
async fn effect(cancel: &Cancel, takes: Duration, stops_after: Duration) -> Result<&'static str> {
    tokio::select! {
        () = sleep(takes) => Ok("done"),
        () = async { cancel.cancelled().await; sleep(stops_after).await } => {
            Err(Error::new(ErrorKind::Cancelled, "stopped"))
        }
    }
}

async fn bounded(takes: u64, stops_after: u64) -> (Result<&'static str>, u64, bool) {
    let (start, outer) = (Instant::now(), Cancel::new());
    let child = outer.child();
    let call = effect(&child, Duration::from_secs(takes), Duration::from_secs(stops_after));
    let answer = CONFIG.cancel_after(CONFIG.effect, "test.effect", child.clone(), call).await;
    (answer, start.elapsed().as_secs(), outer.is_cancelled())
}

#[tokio::test(start_paused = true)]
async fn an_effect_in_time_is_left_alone() {
    let (answer, seconds, _) = bounded(9, 0).await;
    assert_eq!((answer.unwrap(), seconds), ("done", 9));
}

#[tokio::test(start_paused = true)]
async fn a_late_effect_is_cancelled_and_its_end_is_known() {
    let (answer, seconds, outer) = bounded(60, 1).await;
    let error = answer.unwrap_err();
    assert_eq!(
        (error.kind(), error.context_value("outcome")),
        (ErrorKind::Timeout, Some("stopped"))
    );
    assert_eq!((seconds, outer), (11, false), "only this call is cancelled");
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_ends_within_the_grace_is_told_as_it_ended() {
    let (answer, seconds, _) = bounded(11, 60).await;
    assert_eq!((answer.unwrap(), seconds), ("done", 11));
}

#[tokio::test(start_paused = true)]
async fn an_effect_that_does_not_stop_has_an_unknown_outcome() {
    let (answer, seconds, _) = bounded(60, 60).await;
    let error = answer.unwrap_err();
    assert_eq!((error.kind(), error.code_str()), (ErrorKind::Timeout, "unknown_outcome"));
    assert_eq!(seconds, 12);
}

#[test]
fn a_config_says_which_field_is_wrong() {
    let refused = |config: RetryConfig| config.validate().unwrap_err().to_string();
    assert!(refused(RetryConfig { attempts: 0, ..Default::default() }).starts_with("attempts"));
    let first = Duration::from_mins(1);
    assert!(refused(RetryConfig { first, ..Default::default() }).starts_with("first"));
    let config = TimeoutConfig { grace: Duration::ZERO, ..Default::default() };
    assert!(config.validate().unwrap_err().to_string().starts_with("grace"));
    assert!(RetryConfig::default().validate().is_ok() && CONFIG.validate().is_ok());
    assert!(serde_json::from_str::<RetryConfig>(r#"{"attempt": 3}"#).is_err());
}

/// Writes down every span and event with its fields.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<String>>);

impl Witness {
    fn note(&self, metadata: &Metadata<'_>, record: impl FnOnce(&mut dyn Visit)) {
        struct Fields<'a>(&'a mut String);
        impl Visit for Fields<'_> {
            fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
                use fmt::Write as _;
                let _ = write!(self.0, " {field}={value:?}");
            }
        }
        let mut text = self.0.lock().unwrap();
        text.push_str(metadata.name());
        record(&mut Fields(&mut text));
        text.push('\n');
    }
}

impl Subscriber for Witness {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        self.note(span.metadata(), |fields| span.record(fields));
        span::Id::from_u64(1)
    }
    fn event(&self, event: &Event<'_>) {
        self.note(event.metadata(), |fields| event.record(fields));
    }
    fn record(&self, _span: &span::Id, _values: &span::Record<'_>) {}
    fn record_follows_from(&self, _span: &span::Id, _follows: &span::Id) {}
    fn enter(&self, _span: &span::Id) {}
    fn exit(&self, _span: &span::Id) {}
}

#[tokio::test]
async fn a_span_names_the_call_and_never_the_value() {
    let witness = Witness::default();
    let guard = tracing::subscriber::set_default(witness.clone());
    let inner = Moody::failing(1, || Error::not_found("no such thing").code("gone"));
    let traced = Traced::new(inner, "moody");
    assert!(get(&traced).await.is_err());
    assert!(get(&traced).await.is_ok());
    drop(guard);
    let seen = witness.0.lock().unwrap().clone();
    let span = "secret_store.get backend=\"moody\" otel.name=secret_store.moody.get \
                tenant=default reference=env://TOKEN\n";
    assert_eq!(seen.matches(span).count(), 2, "{seen}");
    assert!(seen.contains("kind=not_found code=\"gone\""), "{seen}");
    assert!(!seen.contains("top-secret"));
}
