//! The built-in policy: signals, weights and thresholds, and what each level of risk demands.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Decision, PolicyInfo, PolicyInput, RiskLevel, RiskScore, Signal, Verdict,
    risk::Thresholds,
    signals::{self, Globs, PathSet, Scene, SignalKind, SizeSteps, Weight},
};
use crate::{
    canonical,
    error::{Error, Result},
    evidence::Evidence,
    traits::Policy,
};

/// The URI under which summaries name the built-in policy.
const URI: &str = "urn:matrix-architect:policy:rules:v1";

/// The rules of a [`RulePolicy`]. Every field has a default, so an operator writes down only what
/// is to be different.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// How many approvals each level of risk demands. Default: 1 for high and critical.
    pub approvals: Approvals,
    /// From how many points on a change is of which level. Default: 25, 55, 90.
    pub thresholds: Thresholds,
    /// Weights that differ from [`SignalKind::weight`]. Default: none.
    pub weights: BTreeMap<SignalKind, Weight>,
    /// Paths by what they mean. Default: see [`Globs`].
    pub globs: Globs,
    /// From how many lines, files and folders on a change counts as large.
    pub size: SizeSteps,
    /// By how many points of percent the coverage may fall unnoticed. Default: 0.
    pub coverage_drop: u32,
}

/// How many distinct approvals each level of risk demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Approvals {
    /// Default: 0.
    pub low: u32,
    /// Default: 0.
    pub medium: u32,
    /// Default: 1.
    pub high: u32,
    /// Default: 1.
    pub critical: u32,
}

impl Default for Approvals {
    fn default() -> Self {
        Self { low: 0, medium: 0, high: 1, critical: 1 }
    }
}

impl Approvals {
    /// How many the level demands.
    pub const fn at(&self, level: RiskLevel) -> u32 {
        match level {
            RiskLevel::Low => self.low,
            RiskLevel::Medium => self.medium,
            RiskLevel::High => self.high,
            RiskLevel::Critical => self.critical,
        }
    }
}

impl Rules {
    /// Checks what would make the rules contradict themselves.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub fn validate(&self) -> Result<()> {
        let wrong =
            |field, message: &'static str| Err(Error::invalid(message).context("field", field));
        let Thresholds { medium, high, critical } = self.thresholds;
        if !(0 < medium && medium < high && high < critical && critical <= 100) {
            return wrong("thresholds", "thresholds do not rise from above 0 to at most 100");
        }
        let Approvals { low, medium, high, critical } = self.approvals;
        if !(low <= medium && medium <= high && high <= critical && critical <= 20) {
            return wrong(
                "approvals",
                "a higher risk asks for fewer approvals, or for more than 20",
            );
        }
        if self.weights.values().any(|weight| weight.points > 100) {
            return wrong("weights", "a signal has more than 100 points");
        }
        let rises = |steps: &[u64]| steps.is_sorted() && steps.len() <= 10;
        let SizeSteps { lines, files, folders } = &self.size;
        if ![lines, files, folders].into_iter().all(|steps| rises(steps)) {
            return wrong("size", "the steps do not rise, or are more than 10");
        }
        Ok(())
    }

    fn weight(&self, kind: SignalKind) -> Weight {
        self.weights.get(&kind).copied().unwrap_or_else(|| kind.weight())
    }
}

/// The built-in policy: deterministic, without I/O, and explained to the last point.
///
/// A required check that did not pass is denied. Otherwise the risk is the highest floor of any
/// signal or the level of the points together, and the level says how many others must agree.
///
/// ```
/// use matrix_architect_core::{
///     job::JobConstraints, patch::Patch, plan::Plan,
///     policy::{Decision, PolicyInput, RulePolicy, Rules},
///     traits::Policy,
/// };
///
/// let policy = RulePolicy::new(Rules::default())?;
/// let (plan, patch, constraints) = (Plan::default(), Patch::default(), JobConstraints::default());
/// let by = "ada".parse()?;
/// let verdict = policy.judge(&PolicyInput::new(&plan, &patch, &[], &constraints, &[], &by));
/// assert_eq!(verdict.decision, Decision::Allow);
/// assert_eq!(verdict.risk.signals[0].name, "check_missing");
/// # Ok::<(), matrix_architect_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RulePolicy {
    rules: Rules,
    paths: PathSet,
    info: PolicyInfo,
}

impl RulePolicy {
    /// A policy of these rules.
    ///
    /// # Errors
    /// `Invalid`, naming the field or the path pattern that is wrong.
    pub fn new(rules: Rules) -> Result<Self> {
        rules.validate()?;
        let paths = PathSet::new(&rules.globs)?;
        // With the weights spelt out: a release that weighs differently is another policy.
        let weights: BTreeMap<_, _> =
            SignalKind::ALL.iter().map(|kind| (kind, rules.weight(*kind))).collect();
        let digest = canonical::digest(&(&rules, weights, env!("CARGO_PKG_VERSION")))?;
        Ok(Self { rules, paths, info: PolicyInfo { uri: URI.to_owned(), digest } })
    }

    /// The rules.
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    fn score(&self, input: &PolicyInput<'_>) -> RiskScore {
        let seen = signals::look(&Scene::new(input, &self.rules, &self.paths));
        let signals = seen.into_iter().map(|(kind, sighting)| {
            let weight = self.rules.weight(kind);
            let is_waived = sighting.steps == 0;
            Signal {
                name: kind.to_string(),
                points: weight.points.saturating_mul(sighting.steps),
                floor: if is_waived { RiskLevel::Low } else { weight.floor },
                detail: sighting.detail(),
            }
        });
        RiskScore::of(signals.collect(), &self.rules.thresholds)
    }
}

impl Policy for RulePolicy {
    fn info(&self) -> PolicyInfo {
        self.info.clone()
    }

    fn judge(&self, input: &PolicyInput<'_>) -> Verdict {
        let risk = self.score(input);
        let denials: Vec<_> = input.evidence.iter().filter_map(denial).collect();
        if !denials.is_empty() {
            return Verdict { decision: Decision::Deny, risk, reasons: denials, approvals: 0 };
        }
        let demanded = self.rules.approvals.at(risk.level);
        let wished = input.constraints.min_approvals;
        let approvals = demanded.max(wished);
        let mut reasons = explain(&risk);
        if demanded > 0 {
            reasons.push(format!(
                "{} must agree to a change of {} risk.",
                people(demanded),
                risk.level
            ));
        }
        if wished > demanded {
            reasons.push(format!("The requester wants {} to agree.", people(wished)));
        }
        let decision = if approvals > 0 { Decision::RequireApproval } else { Decision::Allow };
        Verdict { decision, risk, reasons, approvals }
    }
}

/// Why the evidence alone stops the change, if it does.
fn denial(evidence: &Evidence) -> Option<String> {
    if !evidence.required || (evidence.passed && is_pass(evidence)) {
        return None;
    }
    let summary = if evidence.summary.is_empty() { "no summary" } else { &evidence.summary };
    let summary = summary.trim_end_matches('.');
    Some(format!("The required check {} did not pass: {summary}.", evidence.name))
}

/// Evidence says twice whether it passed; only where both say so, it did.
const fn is_pass(evidence: &Evidence) -> bool {
    use crate::evidence::CheckResult::{Failed, Inconclusive, Passed, Warned};
    match evidence.result {
        Passed | Warned => true,
        Failed | Inconclusive => false,
    }
}

/// The score in sentences for people, the gravest reason first.
fn explain(risk: &RiskScore) -> Vec<String> {
    let RiskScore { level, points, signals } = risk;
    let mut reasons = vec![format!("The risk is {level}, {points} of 100 points.")];
    reasons.extend(signals.iter().map(|signal| {
        let Signal { name, points, floor, detail } = signal;
        let floor = match floor {
            RiskLevel::Low => String::new(),
            floor => format!(", at least {floor}"),
        };
        format!("{}: {detail} (+{points}{floor}).", sentence(name))
    }));
    reasons
}

/// `touches_ci` → `Touches ci`.
fn sentence(name: &str) -> String {
    let spaced = name.replace('_', " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn people(count: u32) -> String {
    if count == 1 { "One other person".to_owned() } else { format!("{count} other people") }
}
