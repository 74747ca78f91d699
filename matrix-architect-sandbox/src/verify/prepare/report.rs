//! What is said of a fetch: `prepare.<ecosystem>`.

use std::collections::BTreeMap;

use matrix_architect_core::{
    error::Error,
    evidence::{CheckResult, Evidence, EvidenceKind, Finding},
    traits::{Connection, ConnectionOutcome, Egress, ExitVerdict, VerifyContext},
};
use serde_json::{Value, json};

use super::{cache::Seal, demand::Demand, fetch::Ran};

/// The most hosts that are named.
const HOSTS: usize = 100;

/// The most characters of a tool's words.
const WORDS: usize = 500;

/// Evidence in the making.
#[derive(Debug)]
pub(super) struct Told<'a> {
    cx: &'a VerifyContext<'a>,
    name: String,
    details: BTreeMap<String, Value>,
    hosts: BTreeMap<(String, u16), Visits>,
}

/// What came of the connections to a host.
#[derive(Debug, Default)]
struct Visits {
    allowed: u64,
    sent: u64,
    received: u64,
    refused: Option<String>,
    refusals: u64,
    failed: Option<String>,
}

impl<'a> Told<'a> {
    pub(super) fn new(cx: &'a VerifyContext<'a>, demand: &Demand, egress: &Egress) -> Self {
        let allowed: Vec<_> = egress.hosts.iter().map(ToString::to_string).collect();
        let details = BTreeMap::from([
            ("command".to_owned(), json!(demand.line)),
            ("lock".to_owned(), json!(demand.lock)),
            ("hashed".to_owned(), json!(demand.hashed)),
            ("allowed".to_owned(), json!(allowed)),
            ("sandbox".to_owned(), json!(cx.sandbox.capabilities().driver)),
        ]);
        Self { cx, name: format!("prepare.{}", demand.ecosystem), details, hosts: BTreeMap::new() }
    }

    pub(super) fn toolchain(&mut self, toolchain: &str) {
        self.detail("toolchain", toolchain.into());
    }

    fn detail(&mut self, key: &str, value: Value) {
        self.details.insert(key.to_owned(), value);
    }

    /// Sums up by host what was reached and refused.
    pub(super) fn connections(&mut self, connections: &[Connection]) {
        for connection in connections {
            let visits = self.hosts.entry((connection.host.clone(), connection.port)).or_default();
            visits.sent += connection.sent;
            visits.received += connection.received;
            match &connection.outcome {
                ConnectionOutcome::Refused(why) => {
                    visits.refused = Some(why.clone());
                    visits.refusals += connection.count;
                }
                ConnectionOutcome::Failed(why) => visits.failed = Some(why.clone()),
                _ => visits.allowed += connection.count,
            }
        }
        let host = |((host, port), visits): (&(String, u16), &Visits)| {
            json!({
                "host": host,
                "port": port,
                "connections": visits.allowed,
                "sent": visits.sent,
                "received": visits.received,
                "refused": visits.refused,
                "refusals": visits.refusals,
                "failed": visits.failed,
            })
        };
        let hosts: Vec<_> = named(&self.hosts).map(host).collect();
        let left_out = self.hosts.len() - hosts.len();
        self.detail("hosts", json!(hosts));
        self.detail("hosts_left_out", json!(left_out));
    }

    /// It stood in the cache.
    pub(super) fn found(&mut self, seal: &Seal) -> Evidence {
        self.detail("cache", "hit".into());
        self.sealed(seal);
        self.told(CheckResult::Passed, format!("in the cache, {} bytes", seal.bytes), Vec::new())
    }

    /// It was fetched.
    pub(super) fn fetched(&mut self, seal: &Seal) -> Evidence {
        let hashed = self.details.get("hashed") == Some(&Value::Bool(true));
        self.detail("cache", if hashed { "miss" } else { "none" }.into());
        self.sealed(seal);
        let received: u64 = self.hosts.values().map(|visits| visits.received).sum();
        let reached: Vec<_> = self
            .hosts
            .iter()
            .filter(|(_, visits)| visits.allowed > 0)
            .map(|((host, _), _)| host.as_str())
            .collect();
        let mut summary = format!("{received} bytes from {}", reached.join(", "));
        if !hashed {
            summary.push_str("; for this job only, since the lock file has no hashes");
        }
        let findings = self.refused();
        let result = if findings.is_empty() { CheckResult::Passed } else { CheckResult::Warned };
        self.told(result, summary, findings)
    }

    fn sealed(&mut self, seal: &Seal) {
        self.detail("content", json!(seal.content));
        self.detail("bytes", seal.bytes.into());
        self.detail("fetched_at", json!(seal.fetched_at));
    }

    /// The tool failed. What was out of reach leaves it open whether the change is at fault.
    pub(super) fn failed(&mut self, ran: &Ran) -> Evidence {
        self.detail("verdict", json!(ran.exit.verdict));
        let words = last_words(&ran.stderr);
        let mut findings = self.refused();
        if let Some(first) = findings.first() {
            let summary = format!("{} was refused: {}", first.name, first.message);
            findings.push(finding("tool", &words));
            return self.told(CheckResult::Failed, summary, findings);
        }
        let unreached = self.hosts.iter().find_map(|((host, port), visits)| {
            visits.failed.as_ref().map(|why| format!("{host}:{port}: {why}"))
        });
        let (result, summary) = match (unreached, ran.exit.verdict) {
            (Some(unreached), _) => (CheckResult::Inconclusive, unreached),
            (None, ExitVerdict::Exited(_)) => (CheckResult::Failed, words.clone()),
            (None, verdict) => (CheckResult::Inconclusive, format!("it was ended: {verdict:?}")),
        };
        self.told(result, summary, vec![finding("tool", &words)])
    }

    /// What was fetched cannot be kept.
    pub(super) fn unfit(&mut self, error: &Error) -> Evidence {
        let summary = format!("what was fetched cannot be taken out: {error}");
        self.told(CheckResult::Failed, summary, Vec::new())
    }

    pub(super) fn undecided(&mut self, why: &str) -> Evidence {
        self.told(CheckResult::Inconclusive, why.to_owned(), Vec::new())
    }

    /// A finding for each host that was refused, and one for those that are too many.
    fn refused(&self) -> Vec<Finding> {
        let mut refused = self.hosts.iter().filter_map(|((host, port), visits)| {
            visits.refused.as_ref().map(|why| finding(&format!("{host}:{port}"), why))
        });
        let mut findings: Vec<_> = refused.by_ref().take(HOSTS).collect();
        let left_out = refused.count();
        if left_out > 0 {
            findings.push(finding("*", &format!("{left_out} more hosts were refused")));
        }
        findings
    }

    fn told(&self, result: CheckResult, summary: String, findings: Vec<Finding>) -> Evidence {
        let now = self.cx.clock.now();
        let mut evidence = Evidence::new(EvidenceKind::CommandCheck, &self.name, result, now);
        evidence.summary = summary;
        evidence.findings = findings;
        evidence.details = self.details.clone();
        evidence
    }
}

/// The hosts that are named: those that were reached before all others.
fn named(
    hosts: &BTreeMap<(String, u16), Visits>,
) -> impl Iterator<Item = (&(String, u16), &Visits)> {
    let of =
        |is_reached| hosts.iter().filter(move |(_, visits)| (visits.allowed > 0) == is_reached);
    of(true).chain(of(false)).take(HOSTS)
}

fn finding(name: &str, message: &str) -> Finding {
    Finding {
        name: name.to_owned(),
        message: message.to_owned(),
        file: None,
        line: None,
        preexisting: false,
    }
}

/// The end of what a tool said, on one line.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(6)..].join("; ");
    let skipped = last.chars().count().saturating_sub(WORDS);
    last.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_that_was_reached_is_named_whatever_else_was_tried() {
        let junk = (0..200).map(|number| ((format!("a{number}.test"), 443), Visits::default()));
        let mut hosts: BTreeMap<_, _> = junk.collect();
        let reached = Visits { allowed: 1, ..Visits::default() };
        hosts.insert(("registry.test".to_owned(), 443), reached);
        let names: Vec<_> = named(&hosts).map(|((host, _), _)| host.as_str()).collect();
        assert_eq!((names.len(), names[0]), (HOSTS, "registry.test"));
    }
}
