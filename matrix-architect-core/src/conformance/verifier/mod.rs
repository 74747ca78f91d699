//! The suite of [`Verifier`].
//!
//! How a project tells a verifier what to run is the verifier's own affair, so the harness makes
//! the projects: a [`Judges`] writes down a project whose own test suite comes out as a case wants.
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

mod course;
mod judge;
mod wish;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Harness, Serves};
use crate::{
    error::Result,
    traits::{Sandbox, Tree, Verifier},
};

pub use course::{
    a_wish_to_stop_is_answered, every_check_is_reported_as_it_comes_out,
    every_session_names_its_owner, every_step_is_followed_to_its_end,
    what_checks_leave_behind_is_not_released,
};
pub use judge::{
    a_check_that_cannot_decide_is_inconclusive, a_failed_check_is_evidence_not_an_error,
    a_failure_that_was_there_before_is_marked, a_plans_commands_only_add_checks,
    the_rules_come_from_the_base_tree,
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
