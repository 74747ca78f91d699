//! A check carried out: run, read, judged, compared with the base if it failed, put on record.

use std::collections::BTreeMap;

use matrix_architect_core::{
    error::Result,
    evidence::{CheckResult, Evidence, EvidenceKind, Finding},
    id::{Digest, SessionId},
    traits::{Ids, Tree, VerifyContext},
};
use serde_json::{Value, json};

use super::{
    check::{Check, Planned},
    config::VerifyConfig,
    judge::{Judgement, judge, reconsider},
    parse::Report,
    prepare::{Prepared, Preparer},
    room::{Ran, Room, cancelled},
    rules::ServiceRules,
};

/// The most findings one piece of evidence names; the total stands in its details.
const FINDINGS: usize = 200;

/// What sessions are opened with, whichever tree they are on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Means<'a> {
    pub(super) config: &'a VerifyConfig,
    pub(super) preparer: Option<&'a Preparer>,
    pub(super) ids: &'a dyn Ids,
    /// What the base's rules set for every check.
    pub(super) env: &'a BTreeMap<String, String>,
    /// What the base's rules let run beside checks.
    pub(super) services: &'a [ServiceRules],
}

impl<'a> Means<'a> {
    /// Fetches what a tree depends on, if anything is fetched at all.
    pub(super) async fn prepare(
        &self,
        cx: &VerifyContext<'_>,
        tree: &dyn Tree,
    ) -> Result<(Prepared, Vec<Evidence>)> {
        match self.preparer {
            Some(preparer) => preparer.prepare(cx, tree, self.ids).await,
            None => Ok((Prepared::default(), Vec::new())),
        }
    }

    /// A session on a tree, with what was fetched for it.
    async fn room(
        &self,
        cx: &'a VerifyContext<'a>,
        tree: &dyn Tree,
        prepared: Prepared,
    ) -> Result<Room<'a>> {
        let id = SessionId::from_number(self.ids.next());
        Room::open(cx, self.config, tree, id, (self.env, self.services, prepared)).await
    }
}

/// Who carries out checks on the changed tree, and on the base where that is needed.
#[derive(Debug)]
pub(super) struct Examiner<'a> {
    pub(super) cx: &'a VerifyContext<'a>,
    means: Means<'a>,
    pub(super) room: Room<'a>,
    /// Opened with the first failure that could have been there before, or the first coverage.
    base: Option<Room<'a>>,
    /// What ran on the changed tree and not on the base yet: a report of coverage may be made of
    /// what earlier checks left.
    earlier: Vec<Check>,
    /// What came out so far, without details.
    pub(super) outcomes: Vec<Outcome>,
}

/// What later decisions need of a piece of evidence.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) kind: EvidenceKind,
    pub(super) passed: bool,
    pub(super) ran_tests: bool,
    pub(super) coverage: Option<f64>,
}

impl<'a> Examiner<'a> {
    pub(super) async fn open(
        cx: &'a VerifyContext<'a>,
        means: Means<'a>,
        prepared: Prepared,
    ) -> Result<Self> {
        let room = means.room(cx, cx.tree, prepared).await?;
        Ok(Self { cx, means, room, base: None, earlier: Vec::new(), outcomes: Vec::new() })
    }

    /// Carries out a check and returns whether it passed.
    pub(super) async fn examine(&mut self, planned: &Planned) -> Result<CheckResult> {
        if self.cx.cancel.is_cancelled() {
            return Err(cancelled());
        }
        let (evidence, coverage) = match planned {
            Planned::Run(check) => self.carry_out(check).await?,
            Planned::Undecided { name, kind, required, why } => {
                (undecided(self.cx, name, *kind, *required, why), None)
            }
        };
        let result = evidence.result;
        self.record(evidence, coverage).await?;
        Ok(result)
    }

    /// Hands evidence on.
    pub(super) async fn record(&mut self, evidence: Evidence, coverage: Option<f64>) -> Result<()> {
        self.say(&format!("{}: {}", evidence.name, evidence.summary));
        self.outcomes.push(Outcome {
            kind: evidence.kind,
            passed: evidence.passed,
            ran_tests: evidence.tests.is_some_and(|tests| tests.passed > 0),
            coverage: coverage.filter(|_| evidence.passed),
        });
        self.cx.sink.evidence(evidence).await
    }

    async fn carry_out(&mut self, check: &Check) -> Result<(Evidence, Option<f64>)> {
        let mut version = None;
        if let Some(tool) = &check.tool {
            version = self.room.version(tool).await?;
            if version.is_none() {
                let why = format!("{} is missing in the sandbox; {}", tool.name, tool.remedy);
                let evidence = undecided(self.cx, &check.name, check.kind, check.required, &why);
                return Ok((evidence, None));
            }
        }
        if let Some(why) = self.room.beside.need(&self.room, &check.services).await? {
            let evidence = undecided(self.cx, &check.name, check.kind, check.required, &why);
            return Ok((evidence, None));
        }
        self.say(&format!("{}: {}", check.name, check.line()));
        let ran = self.room.run(check).await?;
        let lost = self.room.beside.lost(&self.room, &check.services).await?;
        let (mut report, mut judgement) = read(&self.room, check, &ran);
        if let Some(lost) = &lost {
            judgement = judgement.without(lost);
        }
        let mut artifacts = keep(self.cx, &check.name, check, &ran).await?;
        let mut details = details(self.cx, check, &ran);
        details.extend(version.map(|version| ("version".to_owned(), version.into())));
        let is_comparable = lost.is_none() && check.compare && !report.findings.is_empty();
        if judgement.result == CheckResult::Failed && is_comparable {
            self.say(&format!("{}: failed; was it so before the change?", check.name));
            let ((base, told), ran) = self.on_the_base(check).await?;
            if let Some(ran) = ran {
                let name = format!("{}.base", check.name);
                artifacts.extend(keep(self.cx, &name, check, &ran).await?);
            }
            details
                .insert("base".to_owned(), json!({"result": told.result, "summary": told.summary}));
            judgement = reconsider(check.parser, judgement, &mut report, &base.findings);
        }
        let coverage = report.coverage;
        if coverage.is_some() && judgement.result == CheckResult::Passed && check.compare_coverage()
        {
            let (base, told) = self.coverage_before(check).await?;
            match base {
                Some(percent) => {
                    details.insert("base_percent".to_owned(), percent.into());
                    let note = format!("; {percent:.1} % before the change");
                    judgement.summary.push_str(&note);
                }
                None => judgement.summary.push_str("; not known before the change"),
            }
            details.insert("base".to_owned(), told);
        }
        self.earlier.push(check.clone());
        let evidence = self.evidence(check, report, judgement, details, artifacts);
        Ok((evidence, coverage))
    }

    /// How much the tests of the base reach. A report that is made of what an earlier check left
    /// is made after that one on the base, too.
    async fn coverage_before(&mut self, check: &Check) -> Result<(Option<f64>, Value)> {
        self.say(&format!("{}: how much was reached before the change?", check.name));
        let mut before = self.on_the_base(check).await?.0;
        if before.0.coverage.is_none() {
            for earlier in std::mem::take(&mut self.earlier) {
                self.on_the_base(&earlier).await?;
            }
            before = self.on_the_base(check).await?.0;
        }
        let (report, told) = before;
        let percent = report.coverage.filter(|_| told.result == CheckResult::Passed);
        Ok((percent, json!({"result": told.result, "summary": told.summary})))
    }

    /// The same check on the base tree, in a session and beside services of its own. Without those
    /// it is not run and excuses nothing.
    async fn on_the_base(&mut self, check: &Check) -> Result<((Report, Judgement), Option<Ran>)> {
        let room = if let Some(room) = self.base.take() {
            room
        } else {
            let (prepared, _) = self.means.prepare(self.cx, self.cx.base).await?;
            self.means.room(self.cx, self.cx.base, prepared).await?
        };
        let reading = if let Some(why) = room.beside.need(&room, &check.services).await? {
            ((Report::default(), Judgement::undecided(why)), None)
        } else {
            let ran = room.run(check).await?;
            match room.beside.lost(&room, &check.services).await? {
                Some(lost) => ((Report::default(), Judgement::undecided(lost)), Some(ran)),
                None => (read(&room, check, &ran), Some(ran)),
            }
        };
        self.base = Some(room);
        Ok(reading)
    }

    fn evidence(
        &self,
        check: &Check,
        report: Report,
        judgement: Judgement,
        mut details: BTreeMap<String, Value>,
        artifacts: Vec<Digest>,
    ) -> Evidence {
        let now = self.cx.clock.now();
        let mut evidence = Evidence::new(check.kind, &check.name, judgement.result, now);
        evidence.required = check.required && self.demands(check, &report);
        evidence.summary = judgement.summary;
        evidence.tests = report.tests;
        details.insert("findings_total".to_owned(), report.findings.len().into());
        details.extend(report.coverage.map(|percent| ("percent".to_owned(), percent.into())));
        evidence.findings = most_telling(report.findings);
        evidence.details = details;
        evidence.artifacts = artifacts;
        evidence
    }

    /// A suite without any test is nobody's fault where no tests are demanded.
    fn demands(&self, check: &Check, report: &Report) -> bool {
        let nothing = report.tests.is_some_and(|tests| tests.total() == 0) && report.flaw.is_none();
        self.cx.constraints.require_tests || !(check.parser.reads_tests() && nothing)
    }

    /// Puts on record what became of the services on the changed tree. Whether that stops the
    /// change is up to the checks that needed them.
    pub(super) async fn account_for_services(&mut self) -> Result<()> {
        for account in self.room.beside.accounts(&self.room).await? {
            let mut evidence = account.evidence(self.cx.clock.now());
            if !account.output.is_empty() {
                let name = format!("{}.output.txt", evidence.name);
                let digest = self.cx.sink.report(&name, "text/plain", account.output).await?;
                evidence.details.insert("output".to_owned(), json!(digest));
                evidence.artifacts.push(digest);
            }
            self.record(evidence, None).await?;
        }
        Ok(())
    }

    pub(super) fn say(&self, line: &str) {
        self.cx.sink.log(format!("{line}\n").as_bytes());
    }

    /// Ends the sessions.
    pub(super) async fn close(self) -> Result<()> {
        if let Some(base) = self.base {
            base.close().await?;
        }
        self.room.close().await
    }
}

/// A report with paths as the project knows them, and its judgement.
fn read(room: &Room<'_>, check: &Check, ran: &Ran) -> (Report, Judgement) {
    let mut report = check.parser.parse(ran.input());
    for finding in &mut report.findings {
        finding.file = finding.file.as_deref().map(|file| room.relative(file));
        finding.message = room.without_root(&finding.message);
    }
    let judgement = judge(check.parser, ran.exit.verdict, ran.exit.output.dropped, &report);
    (report, judgement)
}

/// New findings before old ones, capped.
fn most_telling(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.preexisting);
    findings.truncate(FINDINGS);
    findings
}

/// Stores what a command printed and wrote, and returns the digests.
async fn keep(cx: &VerifyContext<'_>, name: &str, check: &Check, ran: &Ran) -> Result<Vec<Digest>> {
    let mut digests = Vec::new();
    for (stream, bytes) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        if !bytes.is_empty() {
            let name = format!("{name}.{stream}.txt");
            digests.push(cx.sink.report(&name, "text/plain", bytes.clone().into()).await?);
        }
    }
    if let (Some(path), Some(bytes)) = (&check.report, &ran.file)
        && !bytes.is_empty()
    {
        let name = format!("{name}.{}", path.file_name());
        let xml = path.as_path().extension().is_some_and(|extension| extension == "xml");
        let content_type = if xml { "application/xml" } else { "application/octet-stream" };
        digests.push(cx.sink.report(&name, content_type, bytes.clone()).await?);
    }
    Ok(digests)
}

fn details(cx: &VerifyContext<'_>, check: &Check, ran: &Ran) -> BTreeMap<String, Value> {
    let Ran { exit, .. } = ran;
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(0);
    let usage = json!({
        "wall_ms": millis(exit.usage.wall),
        "user_ms": millis(exit.usage.user),
        "system_ms": millis(exit.usage.system),
        "peak_memory": exit.usage.peak_memory,
    });
    [
        ("command", json!(check.line())),
        ("parser", json!(check.parser)),
        ("sandbox", json!(cx.sandbox.capabilities().driver)),
        ("verdict", json!(exit.verdict)),
        ("usage", usage),
        ("output", json!(exit.output)),
        ("enforcement", json!(exit.enforcement)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

fn undecided(
    cx: &VerifyContext<'_>,
    name: &str,
    kind: EvidenceKind,
    required: bool,
    why: &str,
) -> Evidence {
    let now = cx.clock.now();
    let mut evidence = Evidence::new(kind, name, CheckResult::Inconclusive, now).summary(why);
    evidence.required = required;
    evidence
}
