//! One verification, as a case wants it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Judges, Project};
use crate::{
    conformance::Serves,
    error::Result,
    evidence::{Evidence, EvidenceKind},
    fake::{FixedClock, MemoryEvidence, job_ref},
    job::JobConstraints,
    plan::{FileOp, FileOpKind, Plan, Step},
    traits::{Cancel, Fence, Sandbox, Verifier, VerifyContext},
};

/// One verification, as a case wants it.
pub(super) struct Wish<'a> {
    base: &'a Project,
    tree: &'a Project,
    pub(super) plan: Plan,
    pub(super) commands: Vec<String>,
    pub(super) cancel: Cancel,
}

impl<'a> Wish<'a> {
    pub(super) fn new(base: &'a Project, tree: &'a Project) -> Self {
        let plan = plan(&[]);
        Self { base, tree, plan, commands: Vec::new(), cancel: Cancel::new() }
    }

    pub(super) async fn verify(&self, harness: &impl Judges) -> Result<Outcome> {
        self.verify_in(harness, harness.sandbox()).await
    }

    pub(super) async fn verify_in(
        &self,
        harness: &impl Judges,
        sandbox: Arc<dyn Sandbox>,
    ) -> Result<Outcome> {
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

/// Under which lease all verifications are.
pub(super) const FENCE: Fence = Fence(7);

/// What a verification came to.
pub(super) struct Outcome {
    pub(super) sink: MemoryEvidence,
    pub(super) bundle: Bytes,
}

impl Outcome {
    /// The evidence of the project's own test suite.
    pub(super) fn suite(&self) -> Evidence {
        let suite = self.sink.evidence().into_iter().find(is_suite);
        suite.unwrap_or_else(|| panic!("no evidence of a test suite: {:?}", self.sink.evidence()))
    }
}

fn is_suite(evidence: &Evidence) -> bool {
    evidence.kind == EvidenceKind::TestResults && !evidence.name.starts_with("constraint.")
}

/// A plan of one step for each list of commands.
pub(super) fn plan(steps: &[&[&str]]) -> Plan {
    let op = FileOp { op: FileOpKind::Update, path: "notes".to_owned(), ..FileOp::default() };
    let step = |(index, commands): (usize, &&[&str])| Step {
        id: format!("s{}", index + 1),
        ops: vec![op.clone()],
        verify: commands.iter().map(|&line| line.to_owned()).collect(),
        ..Step::default()
    };
    Plan { steps: steps.iter().enumerate().map(step).collect(), ..Plan::default() }
}
