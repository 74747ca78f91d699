//! Putting releases where they belong: every promise of [`Deployer`](crate::traits::Deployer).
#![expect(clippy::missing_panics_doc, reason = "a case panics where the backend breaks its word")]
#![expect(clippy::missing_errors_doc, reason = "an error fails the case")]

mod apply;
mod beside;
mod rollback;

pub use super::target::{Sample, Target};
pub use apply::{
    a_broken_config_is_invalid, a_cancelled_apply_leaves_the_old_release,
    a_check_refuses_what_an_apply_would, a_damaged_bundle_is_never_live,
    a_lost_lease_deploys_nothing, a_preview_changes_nothing, an_applied_release_serves,
    an_unhealthy_first_release_leaves_nothing, an_unhealthy_release_is_rolled_back,
    applying_twice_changes_nothing, the_logs_are_the_releases_own,
};
pub use beside::{
    a_release_stays_while_another_job_relies_on_it, an_older_fence_is_refused,
    another_environment_is_untouched, another_jobs_release_stays, what_was_taken_back_stays_away,
};
pub use rollback::{
    a_rollback_goes_to_the_version_that_is_asked_for, a_rollback_may_be_repeated,
    a_rollback_of_a_first_release_leaves_nothing, a_rollback_returns_to_the_release_before,
};

/// Expands to one test per promise of [`Deployer`](crate::traits::Deployer). The expression makes a [`Target`] on which
/// nothing is deployed yet.
#[macro_export]
macro_rules! deployer_suite {
    ($target:expr) => {
        $crate::__conformance_tests!(
            deployer,
            $target,
            [
                a_preview_changes_nothing,
                an_applied_release_serves,
                applying_twice_changes_nothing,
                an_unhealthy_release_is_rolled_back,
                an_unhealthy_first_release_leaves_nothing,
                a_rollback_returns_to_the_release_before,
                a_rollback_of_a_first_release_leaves_nothing,
                a_rollback_may_be_repeated,
                a_rollback_goes_to_the_version_that_is_asked_for,
                an_older_fence_is_refused,
                a_lost_lease_deploys_nothing,
                a_broken_config_is_invalid,
                a_check_refuses_what_an_apply_would,
                a_damaged_bundle_is_never_live,
                a_cancelled_apply_leaves_the_old_release,
                the_logs_are_the_releases_own,
                another_environment_is_untouched,
                another_jobs_release_stays,
                a_release_stays_while_another_job_relies_on_it,
                what_was_taken_back_stays_away,
            ]
        );
    };
}
