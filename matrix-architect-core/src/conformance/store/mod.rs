//! Jobs and their events: every promise of [`Store`](crate::traits::Store) and of [`Operator`](crate::traits::Operator).
#![expect(
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    reason = "a case fails in either way where the backend breaks its word"
)]

mod commit;
mod create;
mod list;

pub use commit::{
    a_commit_appends_events_and_moves_the_version, a_history_is_read_in_pieces,
    a_lapsed_lease_that_nobody_took_may_still_commit, a_replayed_commit_returns_its_first_answer,
    a_stale_fence_is_fenced, a_stale_version_conflicts, an_illegal_event_is_refused,
};
pub use create::{
    a_batch_is_created_whole_or_not_at_all, a_created_job_is_loaded,
    an_idempotency_key_names_one_job_of_a_tenant, another_tenants_job_is_not_found,
    creating_the_same_job_twice_is_creating_it_once,
};
pub use list::{
    a_list_is_newest_first_and_pages, a_list_is_of_what_was_asked_for,
    outbox_messages_come_in_order_until_delivered, the_operator_counts_all_tenants,
};

/// Expands to one test per promise of [`Store`](crate::traits::Store). The expression makes a
/// harness that serves `dyn Store`.
#[macro_export]
macro_rules! store_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(
            store,
            $harness,
            [
                a_created_job_is_loaded,
                creating_the_same_job_twice_is_creating_it_once,
                a_batch_is_created_whole_or_not_at_all,
                an_idempotency_key_names_one_job_of_a_tenant,
                a_commit_appends_events_and_moves_the_version,
                a_stale_version_conflicts,
                a_stale_fence_is_fenced,
                a_lapsed_lease_that_nobody_took_may_still_commit,
                a_replayed_commit_returns_its_first_answer,
                an_illegal_event_is_refused,
                another_tenants_job_is_not_found,
                a_list_is_newest_first_and_pages,
                a_list_is_of_what_was_asked_for,
                outbox_messages_come_in_order_until_delivered,
                a_history_is_read_in_pieces,
            ]
        );
        $crate::__conformance_tests!(
            claim,
            $harness,
            [
                a_claim_mints_a_higher_fence,
                a_claimed_job_cannot_be_claimed_again,
                a_lost_worker_is_recorded_by_the_next_claim,
                a_lost_worker_that_ends_the_job_is_told,
                a_repeated_claim_request_returns_the_same_leases,
                a_parked_job_is_not_claimed,
                a_finished_job_is_not_claimed,
            ]
        );
    };
}

/// Expands to one test per promise of [`Operator`](crate::traits::Operator). The expression makes
/// a harness that serves `dyn Store` and `dyn Operator`.
#[macro_export]
macro_rules! operator_suite {
    ($harness:expr) => {
        $crate::__conformance_tests!(store, $harness, [the_operator_counts_all_tenants]);
    };
}
