//! How a case is run.

use std::{fmt::Debug, time::Duration};

use crate::error::Result;

/// No case has a reason to take longer; one that does hangs.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs a case to its end on a runtime of its own.
///
/// # Panics
/// If the case fails, or is not done within two minutes.
pub fn run(case: impl Future<Output = Result<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = settled(runtime).block_on(async { tokio::time::timeout(PATIENCE, case).await });
    settled(settled(outcome));
}

fn settled<T, E: Debug>(outcome: Result<T, E>) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("the case failed: {error:?}"),
    }
}

/// Expands to one test per case of a suite.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($suite:ident, $harness:expr, [$($case:ident),* $(,)?]) => {
        $(
            #[test]
            fn $case() {
                $crate::conformance::run(async {
                    let harness = $harness;
                    $crate::conformance::$suite::$case(harness).await
                });
            }
        )*
    };
}
