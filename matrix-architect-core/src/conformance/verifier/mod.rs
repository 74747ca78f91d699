//! The suite of [`Verifier`].
//!
//! How a project tells a verifier what to run is the verifier's own affair, so the harness makes
//! the projects: a [`Judges`] writes down a project whose own test suite comes out as a case wants.
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Harness, Serves};
use crate::{
    error::{ErrorKind, Result},
    evidence::{CheckResult, Evidence, EvidenceKind},
    fake::{FixedClock, MemoryEvidence, Told, job_ref},
    job::JobConstraints,
    plan::{FileOp, FileOpKind, Plan, Step, StepStatus},
    tenant::JobRef,
    traits::{
        Cancel, Fence, Sandbox, SandboxCapabilities, Session, SessionSpec, Tree, Verifier,
        VerifyContext,
    },
};

/// The files of a project, by path.
pub type Project = BTreeMap<String, Bytes>;

/// A harness of a verifier.
#[async_trait]
pub trait Judges: Harness + Serves<dyn Verifier> {
    /// Where the verifier's commands run.
    fn sandbox(&self) -> Arc<dyn Sandbox>;

    /// A project with a required test suite of which these tests pass (`true`) or fail.
    fn project(&self, tests: &[(&str, bool)]) -> Project;

    /// The paths of such a project that say how it is judged.
    fn rules(&self) -> Vec<String>;

    /// A tree of these files.
    async fn tree(&self, project: &Project) -> Result<Arc<dyn Tree>>;
}

/// What a verification came to.
struct Outcome {
    sink: MemoryEvidence,
    bundle: Bytes,
}

impl Outcome {
    /// The evidence of the project's own test suite.
    fn suite(&self) -> Evidence {
        let suite = self.sink.evidence().into_iter().find(is_suite);
        suite.unwrap_or_else(|| panic!("no evidence of a test suite: {:?}", self.sink.evidence()))
    }
}

fn is_suite(evidence: &Evidence) -> bool {
    evidence.kind == EvidenceKind::TestResults && !evidence.name.starts_with("constraint.")
}

/// One verification, as a case wants it.
struct Wish<'a> {
    base: &'a Project,
    tree: &'a Project,
    plan: Plan,
    commands: Vec<String>,
    cancel: Cancel,
}

impl<'a> Wish<'a> {
    fn new(base: &'a Project, tree: &'a Project) -> Self {
        let plan = plan(&[]);
        Self { base, tree, plan, commands: Vec::new(), cancel: Cancel::new() }
    }

    async fn verify(&self, harness: &impl Judges) -> Result<Outcome> {
        self.verify_in(harness, harness.sandbox()).await
    }

    async fn verify_in(&self, harness: &impl Judges, sandbox: Arc<dyn Sandbox>) -> Result<Outcome> {
        let verifier = Serves::<dyn Verifier>::backend(harness);
        let (base, tree) = (harness.tree(self.base).await?, harness.tree(self.tree).await?);
        let (job, clock) = (job_ref(1), FixedClock::at(harness.now().await));
        let (sink, constraints) = (MemoryEvidence::new(), JobConstraints::default());
        let cx = VerifyContext::new(
            (&job, FENCE),
            (&*base, &*tree),
            &self.plan,
            &self.commands,
            &constraints,
            &*sandbox,
            &clock,
            &sink,
            &self.cancel,
        );
        let bundle = verifier.verify(&cx).await?.bundle.collect(64 << 20).await?;
        Ok(Outcome { sink, bundle })
    }
}

/// A plan of one step for each list of commands.
fn plan(steps: &[&[&str]]) -> Plan {
    let op = FileOp { op: FileOpKind::Update, path: "notes".to_owned(), ..FileOp::default() };
    let step = |(index, commands): (usize, &&[&str])| Step {
        id: format!("s{}", index + 1),
        ops: vec![op.clone()],
        verify: commands.iter().map(|&line| line.to_owned()).collect(),
        ..Step::default()
    };
    Plan { steps: steps.iter().enumerate().map(step).collect(), ..Plan::default() }
}

/// Promise 1.
pub async fn a_failed_check_is_evidence_not_an_error(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true), ("halves", true)]);
    let bad = harness.project(&[("adds", true), ("halves", false)]);
    let passed = Wish::new(&good, &good).verify(&harness).await?.suite();
    assert_eq!((passed.result, passed.passed), (CheckResult::Passed, true), "{passed:?}");
    let failed = Wish::new(&good, &bad).verify(&harness).await?.suite();
    assert_eq!((failed.result, failed.passed), (CheckResult::Failed, false), "{failed:?}");
    assert!(failed.required);
    assert_eq!(failed.tests.map(|tests| (tests.passed, tests.failed)), Some((1, 1)));
    assert!(failed.findings.iter().any(|finding| finding.name.contains("halves")), "{failed:?}");
    Ok(())
}

/// Promise 2.
pub async fn a_check_that_cannot_decide_is_inconclusive(harness: impl Judges) -> Result<()> {
    let empty = harness.project(&[]);
    let suite = Wish::new(&empty, &empty).verify(&harness).await?.suite();
    assert_eq!((suite.result, suite.passed), (CheckResult::Inconclusive, false), "{suite:?}");

    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.commands = vec!["no-such-program-anywhere --now".to_owned()];
    let outcome = wish.verify(&harness).await?;
    let evidence = outcome.sink.evidence();
    let command = evidence.iter().find(|e| e.kind == EvidenceKind::CommandCheck);
    assert_eq!(command.map(|e| (e.result, e.passed)), Some((CheckResult::Inconclusive, false)));
    Ok(())
}

/// Promise 3.
pub async fn the_rules_come_from_the_base_tree(harness: impl Judges) -> Result<()> {
    let base = harness.project(&[("adds", true)]);
    let mut lax = harness.project(&[("adds", false)]);
    for path in harness.rules() {
        assert!(lax.remove(&path).is_some(), "{path} is no file of the project");
    }
    let suite = Wish::new(&base, &lax).verify(&harness).await?.suite();
    assert_eq!((suite.result, suite.required), (CheckResult::Failed, true), "{suite:?}");
    Ok(())
}

/// Promise 4.
pub async fn a_plans_commands_only_add_checks(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let bad = harness.project(&[("adds", false)]);
    let names = |outcome: &Outcome| -> Vec<String> {
        outcome.sink.evidence().into_iter().map(|evidence| evidence.name).collect()
    };
    let alone = Wish::new(&good, &bad).verify(&harness).await?;
    let mut wish = Wish::new(&good, &bad);
    wish.plan = plan(&[&["true"], &["exit 0"]]);
    let with_plan = wish.verify(&harness).await?;
    assert_eq!(with_plan.suite().result, CheckResult::Failed);
    assert!(names(&alone).iter().all(|name| names(&with_plan).contains(name)));
    assert!(names(&with_plan).len() >= names(&alone).len() + 2);

    let mut wish = Wish::new(&good, &good);
    wish.plan = plan(&[&["false"]]);
    let outcome = wish.verify(&harness).await?;
    assert_eq!(outcome.suite().result, CheckResult::Passed);
    assert!(outcome.sink.evidence().iter().any(|e| e.result == CheckResult::Failed && e.required));
    Ok(())
}

/// Promise 5.
pub async fn a_failure_that_was_there_before_is_marked(harness: impl Judges) -> Result<()> {
    let old = harness.project(&[("adds", true), ("halves", false), ("doubles", true)]);
    let suite = Wish::new(&old, &old).verify(&harness).await?.suite();
    assert_eq!((suite.result, suite.passed), (CheckResult::Warned, true), "{suite:?}");
    assert!(suite.findings.iter().all(|finding| finding.preexisting));

    let new = harness.project(&[("adds", true), ("halves", false), ("doubles", false)]);
    let suite = Wish::new(&old, &new).verify(&harness).await?.suite();
    assert_eq!((suite.result, suite.passed), (CheckResult::Failed, false), "{suite:?}");
    let fresh: Vec<_> = suite.findings.iter().filter(|finding| !finding.preexisting).collect();
    assert!(fresh.len() == 1 && fresh[0].name.contains("doubles"), "{suite:?}");
    assert_eq!(suite.findings.len(), 2);
    Ok(())
}

/// Promise 6.
pub async fn every_check_is_reported_as_it_comes_out(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.commands = vec!["echo first-mark".to_owned(), "echo second-mark".to_owned()];
    let told = wish.verify(&harness).await?.sink.told();
    let says = |mark: &str, told: &Told| match told {
        Told::Log(bytes) => String::from_utf8_lossy(bytes).contains(mark),
        Told::Evidence(_) | Told::Step(_) => false,
    };
    let is_command = |told: &Told| match told {
        Told::Evidence(evidence) => evidence.kind == EvidenceKind::CommandCheck,
        Told::Step(_) | Told::Log(_) => false,
    };
    let first = told.iter().position(is_command);
    let second = told.iter().position(|told| says("second-mark", told));
    assert!(first.is_some() && first < second, "{first:?} {second:?}");
    assert!(told.iter().position(|told| says("first-mark", told)) < first);
    Ok(())
}

/// Promise 7.
pub async fn every_step_is_followed_to_its_end(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.plan = plan(&[&["true"], &["false", "true"], &["true"]]);
    let steps = wish.verify(&harness).await?.sink.steps();
    let told: Vec<_> = steps.iter().map(|step| (step.step_id.as_str(), step.status)).collect();
    assert_eq!(
        told,
        [
            ("s1", StepStatus::Running),
            ("s1", StepStatus::Completed),
            ("s2", StepStatus::Running),
            ("s2", StepStatus::Failed),
            ("s3", StepStatus::Skipped),
        ]
    );
    let ended = |step: &&crate::plan::StepExecution| {
        matches!(step.status, StepStatus::Completed | StepStatus::Failed)
    };
    assert!(steps.iter().filter(ended).all(|s| s.started_at.is_some() && s.completed_at.is_some()));
    Ok(())
}

/// Promise 8.
pub async fn what_checks_leave_behind_is_not_released(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.commands = vec!["echo left > left-behind".to_owned()];
    let bundle = wish.verify(&harness).await?.bundle;
    let packed = harness.tree(&good).await?.pack().await?.collect(64 << 20).await?;
    assert!(bundle == packed, "the release is not the changed tree");
    Ok(())
}

/// Promise 9.
pub async fn every_session_names_its_owner(harness: impl Judges) -> Result<()> {
    let (good, bad) =
        (harness.project(&[("adds", true)]), harness.project(&[("adds", false), ("halves", true)]));
    let watched = Arc::new(Watched { inner: harness.sandbox(), owners: Mutex::default() });
    // A failure is looked up on the base, for which some verifiers open another session.
    Wish::new(&good, &bad).verify_in(&harness, Arc::clone(&watched) as _).await?;
    let owners = watched.owners.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(!owners.is_empty(), "nothing ran in the sandbox");
    assert!(owners.iter().all(|owner| *owner == Some((job_ref(1), FENCE))), "{owners:?}");
    drop(owners);
    Ok(())
}

/// Under which lease all verifications are.
const FENCE: Fence = Fence(7);

/// A sandbox that remembers for whom its sessions were opened.
#[derive(Debug)]
struct Watched {
    inner: Arc<dyn Sandbox>,
    owners: Mutex<Vec<Option<(JobRef, Fence)>>>,
}

#[async_trait]
impl Sandbox for Watched {
    fn capabilities(&self) -> SandboxCapabilities {
        self.inner.capabilities()
    }

    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>> {
        let note = |owner| {
            self.owners.lock().unwrap_or_else(PoisonError::into_inner).push(owner);
        };
        note(spec.owner.clone());
        self.inner.open(tree, spec).await
    }

    async fn reap(&self) -> Result<u64> {
        self.inner.reap().await
    }
}

/// What the trait says about cancellation.
pub async fn a_wish_to_stop_is_answered(harness: impl Judges) -> Result<()> {
    let good = harness.project(&[("adds", true)]);
    let mut wish = Wish::new(&good, &good);
    wish.commands = vec!["sleep 60".to_owned()];
    let cancel = wish.cancel.clone();
    let stop = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        cancel.cancel();
    };
    let (outcome, ()) = futures_util::join!(wish.verify(&harness), stop);
    assert_eq!(outcome.err().map(|error| error.kind()), Some(ErrorKind::Cancelled));
    Ok(())
}

/// Expands to one test per promise of [`Verifier`](crate::traits::Verifier); takes an expression
/// for a fresh harness that [`Judges`](crate::conformance::verifier::Judges).
#[macro_export]
macro_rules! verifier_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            verifier,
            $harness,
            [
                a_failed_check_is_evidence_not_an_error,
                a_check_that_cannot_decide_is_inconclusive,
                the_rules_come_from_the_base_tree,
                a_plans_commands_only_add_checks,
                a_failure_that_was_there_before_is_marked,
                every_check_is_reported_as_it_comes_out,
                every_step_is_followed_to_its_end,
                what_checks_leave_behind_is_not_released,
                every_session_names_its_owner,
                a_wish_to_stop_is_answered,
            ]
        );
    };
}
