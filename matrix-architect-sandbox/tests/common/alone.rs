//! Tests that look at their own process, or end it, and so need one to themselves.

use std::process::{Command, Output};

const MARK: &str = "ARCHITECT_TEST_ALONE";

/// Whether this process was started by [`again`].
pub(crate) fn is_alone() -> bool {
    is_set(MARK)
}

/// A command that runs this test binary for one test, in which [`is_alone`] holds.
pub(crate) fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(MARK, "1");
    command
}

/// Demands that a run of this binary passed and ran something.
pub(crate) fn succeeded(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = format!("{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && !text.contains(" 0 passed"), "{told}");
    text
}

/// Says that a test cannot be run here, or fails where all must run.
#[expect(clippy::print_stderr, reason = "a test that was not run says so")]
pub(crate) fn skip(why: &str) {
    assert!(!is_set("ARCHITECT_CI"), "must not be skipped: {why}");
    eprintln!("SKIPPED: {why}");
}

#[expect(clippy::disallowed_methods, reason = "tests are told by the environment where they run")]
pub(crate) fn is_set(name: &str) -> bool {
    std::env::var(name).is_ok()
}
