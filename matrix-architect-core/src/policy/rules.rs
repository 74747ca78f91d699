//! The built-in policy.

/// The rules of a [`RulePolicy`].
#[derive(Clone, Debug, Default)]
pub struct Rules;

/// The built-in policy.
#[derive(Clone, Debug, Default)]
pub struct RulePolicy;
