//! Turns whatever was handed in into a plan whose every operation says what it expects.

use std::collections::BTreeMap;

use matrix_architect_core::{
    Error, ErrorKind,
    error::Result,
    plan::{Change, FileOp, Plan, Step},
    traits::{Checkout, CheckoutRequest, Tree, TreeEntry},
};

use super::{
    GitWorkspace, TreeLimits, diff,
    draft::{Draft, Preconditions},
};

impl GitWorkspace {
    pub(super) async fn resolved(
        &self,
        request: &CheckoutRequest<'_>,
        base: &Checkout,
        change: &Change,
    ) -> Result<Plan> {
        let limits = self.config.limits;
        let tree = &*base.tree;
        let entries = tree.list().await?;
        let plan = match change {
            Change::Plan(plan) => (**plan).clone(),
            Change::Diff(diff) => {
                let outcome = diff::read(diff, tree, &entries, limits).await?;
                plan_of("diff", "Apply the diff", outcome.operations(&entries))
            }
            Change::Branch(name) => {
                let branch = self.branch(request, base, &entries, name).await?;
                let title = format!("Apply what {name} adds since {}", branch.merge_base.short());
                let mut plan = plan_of("branch", &title, branch.outcome.operations(&entries));
                let commit = |oid: &matrix_architect_core::id::GitOid| oid.as_str().into();
                plan.metadata = BTreeMap::from([
                    ("branch".to_owned(), name.as_str().into()),
                    ("merge_base".to_owned(), commit(&branch.merge_base)),
                    ("tip".to_owned(), commit(&branch.tip)),
                ]);
                plan
            }
            Change::Goal => {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    "a goal alone is no change to a tree",
                )
                .code("needs_planner")
                .advice("ask a planner for a plan first"));
            }
        };
        plan.validate()?;
        filled(plan, tree, &entries, limits).await
    }
}

fn plan_of(id: &str, title: &str, ops: Vec<FileOp>) -> Plan {
    let step = Step { id: id.to_owned(), title: title.to_owned(), ops, ..Step::default() };
    Plan { summary: title.to_owned(), steps: vec![step], ..Plan::default() }
}

/// The plan with every precondition, each step seeing what those before it did.
async fn filled(
    mut plan: Plan,
    base: &dyn Tree,
    entries: &[TreeEntry],
    limits: TreeLimits,
) -> Result<Plan> {
    let mut draft = Draft::new(base, entries, limits, Preconditions::Filled);
    for step in &mut plan.steps {
        for op in &mut step.ops {
            let taken = draft.take(op).await;
            *op = taken.map_err(|error| error.context("step", &step.id))?;
        }
    }
    Ok(plan)
}
