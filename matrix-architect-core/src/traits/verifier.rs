//! Checking a changed tree.

use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;

use super::{Cancel, Clock, Fence, Sandbox, Tree};
use crate::{
    error::Result,
    evidence::Evidence,
    id::Digest,
    job::JobConstraints,
    plan::{Plan, StepExecution},
    tenant::JobRef,
};

/// Takes evidence as it comes, so that progress is seen and nothing waits for the end.
#[async_trait]
pub trait EvidenceSink: Debug + Send + Sync {
    /// A check came out.
    async fn evidence(&self, evidence: Evidence) -> Result<()>;

    /// A step of the plan moved on.
    async fn step(&self, execution: StepExecution) -> Result<()>;

    /// Stores a raw report or output under a name, redacted, and returns its digest.
    async fn report(&self, name: &str, content_type: &str, bytes: Bytes) -> Result<Digest>;

    /// Says what is going on, for whoever watches; redacted on the way.
    fn log(&self, bytes: &[u8]);
}

/// What is checked, with what, and where the outcome goes.
#[derive(Debug)]
#[non_exhaustive]
pub struct VerifyContext<'a> {
    /// For which job.
    pub job: &'a JobRef,
    /// Under which lease of it: sessions name both, so that a reaper knows whose they are.
    pub fence: Fence,
    /// The tree before the change: the only source of rules about how it is judged.
    pub base: &'a dyn Tree,
    /// The tree after the change.
    pub tree: &'a dyn Tree,
    /// The plan, whose steps may add commands.
    pub plan: &'a Plan,
    /// Commands the requester added.
    pub commands: &'a [String],
    /// What is demanded.
    pub constraints: &'a JobConstraints,
    /// Where commands run.
    pub sandbox: &'a dyn Sandbox,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Where the outcome goes.
    pub sink: &'a dyn EvidenceSink,
    /// The wish to stop.
    pub cancel: &'a Cancel,
}

impl<'a> VerifyContext<'a> {
    /// A context of all its parts.
    #[expect(clippy::too_many_arguments, reason = "the one place where all parts come together")]
    pub fn new(
        (job, fence): (&'a JobRef, Fence),
        (base, tree): (&'a dyn Tree, &'a dyn Tree),
        plan: &'a Plan,
        commands: &'a [String],
        constraints: &'a JobConstraints,
        sandbox: &'a dyn Sandbox,
        clock: &'a dyn Clock,
        sink: &'a dyn EvidenceSink,
        cancel: &'a Cancel,
    ) -> Self {
        Self { job, fence, base, tree, plan, commands, constraints, sandbox, clock, sink, cancel }
    }
}

/// What verification leaves besides evidence: the packed tree that will be deployed.
#[derive(Debug)]
#[non_exhaustive]
pub struct CommandOutcome {
    /// A tar archive of what the rules of the base tree call the release; the whole changed tree
    /// if they say nothing.
    pub bundle: super::ByteStream,
}

impl CommandOutcome {
    /// An outcome of its parts.
    pub const fn new(bundle: super::ByteStream) -> Self {
        Self { bundle }
    }
}

/// Checks a changed tree.
///
/// # Contract
/// 1. `a_failed_check_is_evidence_not_an_error`: `Err` means that it could not be checked.
/// 2. `a_check_that_cannot_decide_is_inconclusive`, never passed: zero tests, a missing tool, a
///    cut report, an exit code that contradicts the report.
/// 3. `the_rules_come_from_the_base_tree`: a change to `.matrix/architect.toml` or to a suite has
///    no effect on how the change itself is judged.
/// 4. `a_plans_commands_only_add_checks`.
/// 5. `a_failure_that_was_there_before_is_marked`.
/// 6. `every_check_is_reported_as_it_comes_out`.
/// 7. `every_step_is_followed_to_its_end`: running, then completed or failed; skipped after a
///    failed one.
/// 8. `what_checks_leave_behind_is_not_released`, unless the rules of the base name it.
/// 9. `every_session_names_its_owner`: the job and the fence of the context.
///
/// # Cancellation
/// Looks at its context's `Cancel` and then returns `Cancelled`
/// (`a_wish_to_stop_is_answered`).
#[async_trait]
pub trait Verifier: Debug + Send + Sync + 'static {
    /// Its registered name.
    fn name(&self) -> &str;

    /// Checks, and packs what will be deployed.
    async fn verify(&self, cx: &VerifyContext<'_>) -> Result<CommandOutcome>;
}
