//! The verifier: suites and the project's own checks, the plan's and the requester's commands, the
//! scan of added lines, the requester's demands, and the release.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use matrix_architect_core::{
    error::Result,
    traits::{CommandOutcome, Ids, Verifier, VerifyContext},
};

use super::{
    bundle,
    check::Planned,
    commands,
    config::VerifyConfig,
    demand,
    examine::{Examiner, Means},
    prepare::Preparer,
    room::{Room, cancelled},
    rules::ProjectRules,
    scan,
    suite::{self, Base, Suite},
};

/// Checks a changed tree with the suites of its kind and the rules of its base.
///
/// Each check gives evidence as it comes out. All commands run in one session on the changed tree,
/// so that a later one sees what an earlier one built; a second session on the base is opened
/// only when something failed, to tell what failed before.
///
/// # Order
/// What the tree depends on is fetched (`prepare.<ecosystem>`), if the configuration says from where.
/// Then the scan of added lines (`security.secrets`, `security.text`), the suites' checks, the checks of
/// `.matrix/architect.toml`, the steps' commands (`step.<id>.<n>`), the requester's commands
/// (`command.<n>`), the services that any of them needed (`service.<name>`), the demands (`constraint.*`), the release.
///
/// # Defaults
/// Tests, builds, formatting and lints are required. A finding that stands on the base too never
/// fails a change. A tool that is missing in the sandbox makes its check inconclusive.
#[derive(Debug)]
pub struct SuiteVerifier {
    config: VerifyConfig,
    preparer: Option<Preparer>,
    ids: Arc<dyn Ids>,
}

impl SuiteVerifier {
    /// A verifier whose sessions are named by `ids`.
    ///
    /// # Errors
    /// As [`VerifyConfig::validate`]; or whatever opening the cache of dependencies meets.
    pub fn new(config: VerifyConfig, ids: Arc<dyn Ids>) -> Result<Self> {
        config.validate()?;
        let preparer = config.prepare.clone().map(Preparer::new).transpose()?;
        Ok(Self { config, preparer, ids })
    }

    async fn examine(&self, examiner: &mut Examiner<'_>, rules: &ProjectRules) -> Result<()> {
        let cx = examiner.cx;
        if cx.constraints.security_scan {
            for evidence in scan::evidence(cx, &rules.scan).await? {
                examiner.record(evidence, None).await?;
            }
        }
        for planned in planned(cx, rules, &examiner.room).await? {
            examiner.examine(&planned).await?;
        }
        for check in &rules.verify.check {
            examiner.examine(&check.check().into()).await?;
        }
        commands::steps(examiner).await?;
        commands::requested(examiner).await?;
        examiner.account_for_services().await?;
        demand::demands(examiner).await
    }
}

#[async_trait]
impl Verifier for SuiteVerifier {
    fn name(&self) -> &'static str {
        "suites"
    }

    async fn verify(&self, cx: &VerifyContext<'_>) -> Result<CommandOutcome> {
        let rules = ProjectRules::load(cx.base).await?;
        let env: BTreeMap<String, String> = rules.verify.env.clone();
        let means = Means {
            config: &self.config,
            preparer: self.preparer.as_ref(),
            ids: &*self.ids,
            env: &env,
            services: &rules.verify.service,
        };
        let (prepared, told) = means.prepare(cx, cx.tree).await?;
        let mut examiner = Examiner::open(cx, means, prepared).await?;
        for evidence in told {
            examiner.record(evidence, None).await?;
        }
        let outcome = match self.examine(&mut examiner, &rules).await {
            Ok(()) => bundle::bundle(&rules.release, cx.tree, &examiner.room).await,
            Err(error) => Err(error),
        };
        let closed = examiner.close().await;
        let bundle = outcome?;
        closed?;
        if cx.cancel.is_cancelled() {
            return Err(cancelled());
        }
        Ok(CommandOutcome::new(bundle))
    }
}

/// The suites' checks, as the base's rules change them.
async fn planned(
    cx: &VerifyContext<'_>,
    rules: &ProjectRules,
    room: &Room<'_>,
) -> Result<Vec<Planned>> {
    let base = Base::read(cx.base).await?;
    let suites = rules.verify.suites.clone().unwrap_or_else(|| Suite::detect(&base));
    let mut all = Vec::new();
    for suite in suites {
        all.extend(match suite {
            Suite::Rust => suite::rust::checks(&base),
            Suite::Python => {
                let names = suite::python::modules_of_interest(&base);
                let modules = room.python_modules(&names).await?;
                let has_ruff = room.version(&suite::python::RUFF).await?.is_some();
                suite::python::checks(&base, &modules, has_ruff)
            }
            Suite::Node => suite::node::checks(&base),
            Suite::Go => suite::go::checks(),
        });
    }
    all.retain(|planned| rules.builtin(planned.name()).enabled);
    for planned in &mut all {
        let wanted = rules.builtin(planned.name());
        match planned {
            Planned::Run(check) => {
                check.required &= wanted.required;
                check.timeout = wanted.timeout_seconds.map(std::time::Duration::from_secs);
                check.services = wanted.services;
            }
            Planned::Undecided { required, .. } => *required &= wanted.required,
        }
    }
    Ok(all)
}
