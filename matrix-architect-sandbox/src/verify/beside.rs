//! The services of one session: each is started when a check first needs it, once, and stays.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    evidence::{CheckResult, Evidence, EvidenceKind},
    time::Timestamp,
    traits::{ExitVerdict, Service, ServiceState},
};
use serde_json::json;
use tokio::sync::Mutex;

use super::{
    room::Room,
    rules::{ServiceRules, in_order},
};

/// What the rules say of services, and which of them were started.
#[derive(Debug)]
pub(super) struct Beside<'a> {
    rules: &'a [ServiceRules],
    met: Mutex<BTreeMap<&'a str, Met>>,
}

/// What came of a service's start.
#[derive(Clone, Debug)]
struct Met {
    waited: Duration,
    /// Why it was not ready.
    why_not: Option<String>,
}

/// A service at the end, for the record.
#[derive(Clone, Debug)]
pub(super) struct Account<'a> {
    pub(super) rules: &'a ServiceRules,
    pub(super) waited: Duration,
    pub(super) why_not: Option<String>,
    pub(super) ended: Option<ExitVerdict>,
    pub(super) output: Bytes,
}

impl Account<'_> {
    /// The evidence, without the output.
    pub(super) fn evidence(&self, now: Timestamp) -> Evidence {
        let millis = u64::try_from(self.waited.as_millis()).unwrap_or(u64::MAX);
        let (result, summary) = match (&self.why_not, self.ended) {
            (Some(why), _) => (CheckResult::Inconclusive, why.clone()),
            (None, Some(ended)) => {
                (CheckResult::Inconclusive, format!("ready, and ended early: {}", told(ended)))
            }
            (None, None) => (CheckResult::Passed, format!("ready after {millis} ms")),
        };
        let name = format!("service.{}", self.rules.name);
        let mut evidence = Evidence::new(EvidenceKind::CommandCheck, name, result, now);
        evidence.required = false;
        evidence.summary = summary;
        evidence.details = BTreeMap::from([
            ("command".to_owned(), json!(self.rules.line())),
            ("ready".to_owned(), json!(self.rules.ready)),
            ("ready_after_ms".to_owned(), json!(self.why_not.is_none().then_some(millis))),
            ("running".to_owned(), json!(self.why_not.is_none() && self.ended.is_none())),
            ("ended".to_owned(), json!(self.ended)),
        ]);
        evidence
    }
}

impl<'a> Beside<'a> {
    pub(super) fn new(rules: &'a [ServiceRules]) -> Self {
        Self { rules, met: Mutex::default() }
    }

    /// Sees to it that services are ready, and returns why they are not.
    pub(super) async fn need(&self, room: &Room<'_>, names: &[String]) -> Result<Option<String>> {
        let mut met = self.met.lock().await;
        for rules in in_order(self.rules, names) {
            let known = met.get(rules.name.as_str()).cloned();
            let known = match known {
                Some(known) => known,
                None => met.entry(&rules.name).or_insert(start(room, rules).await?).clone(),
            };
            if let Some(why) = known.why_not {
                return Ok(Some(why));
            }
        }
        drop(met);
        self.lost(room, names).await
    }

    /// Which of these services is not there any more, and how it ended.
    pub(super) async fn lost(&self, room: &Room<'_>, names: &[String]) -> Result<Option<String>> {
        let needed = in_order(self.rules, names);
        if needed.is_empty() {
            return Ok(None);
        }
        let states = room.services().await?;
        let found = needed.into_iter().find_map(|rules| {
            let state = states.iter().find(|state| state.name == rules.name)?;
            Some((&rules.name, state.ended?))
        });
        Ok(found.map(|(name, ended)| format!("service {name} ended ({})", told(ended))))
    }

    /// All that were started, in the order of the rules.
    pub(super) async fn accounts(&self, room: &Room<'_>) -> Result<Vec<Account<'a>>> {
        let met = self.met.lock().await;
        if met.is_empty() {
            return Ok(Vec::new());
        }
        let states = room.services().await?;
        let account = |rules: &'a ServiceRules| {
            let Met { waited, why_not } = met.get(rules.name.as_str())?.clone();
            let state = states.iter().find(|state| state.name == rules.name);
            let (ended, output) = match state {
                Some(ServiceState { ended, output, .. }) => (*ended, output.clone()),
                None => (None, Bytes::new()),
            };
            Some(Account { rules, waited, why_not, ended, output })
        };
        Ok(self.rules.iter().filter_map(account).collect())
    }
}

async fn start(room: &Room<'_>, rules: &ServiceRules) -> Result<Met> {
    let mut service: Service = rules.service();
    if rules.data {
        let folder = room.new_folder().await?;
        service.command.env.insert("SERVICE_DATA".to_owned(), folder);
    }
    let began = Instant::now();
    let outcome = room.start(service).await;
    let waited = began.elapsed();
    match outcome {
        Ok(()) => Ok(Met { waited, why_not: None }),
        Err(error) if is_its_own(&error) => {
            let why = one_line(&error.to_string());
            Ok(Met { waited, why_not: Some(format!("service {}: {why}", rules.name)) })
        }
        Err(error) => Err(error),
    }
}

/// The most characters of an error that a summary has; what the service wrote is kept elsewhere.
const SUMMARY: usize = 1000;

/// Text that a service has a part in, fit for one line on somebody's screen.
fn one_line(text: &str) -> String {
    let words = text.split(|char: char| char.is_whitespace() || char.is_control());
    let words = words.filter(|word| !word.is_empty()).collect::<Vec<_>>();
    words.join(" ").chars().take(SUMMARY).collect()
}

/// Whether an error is about the service, rather than about the session or the machine.
fn is_its_own(error: &Error) -> bool {
    error.code_str() == "service_not_ready"
        || matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Invalid | ErrorKind::Unsupported)
}

/// A verdict in words.
pub(super) fn told(verdict: ExitVerdict) -> String {
    match verdict {
        ExitVerdict::Exited(code) => format!("exit code {code}"),
        ExitVerdict::Signalled(signal) => format!("killed by signal {signal}"),
        ExitVerdict::OutOfMemory => "out of memory".to_owned(),
        ExitVerdict::CpuExceeded => "out of CPU time".to_owned(),
        other => format!("{other:?}"),
    }
}
