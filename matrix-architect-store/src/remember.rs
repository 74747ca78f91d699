//! How long answers are kept for whoever repeats a call, and other limits all backends share.

use std::time::Duration;

use matrix_architect_core::{
    error::{Error, Result},
    traits::JobQuery,
};

/// How long the leases of a request are remembered: far longer than a lost answer is asked for
/// again.
pub(crate) const LEASES_KEPT: Duration = Duration::from_hours(1);

/// The most bytes of a log in one page.
pub(crate) const LOG_PAGE: u64 = 1 << 20;

/// How many jobs a page of the list holds.
pub(crate) fn page_size(query: &JobQuery) -> usize {
    if query.limit == 0 { 50 } else { query.limit.min(1000) }
}

/// The number of the job the page before ended with.
pub(crate) fn cursor(query: &JobQuery) -> Result<Option<i64>> {
    let parse = |text: &String| {
        text.parse().map_err(|source: std::num::ParseIntError| {
            Error::invalid("not a cursor of this list")
                .context("after", text.escape_debug().take(40).collect::<String>())
                .advice("repeat the `next` of the page before as it stands")
                .source(source)
        })
    };
    query.after.as_ref().map(parse).transpose()
}
