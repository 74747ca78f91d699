//! The bubblewrap sandbox from outside: the suite, and the same answers as the native sandbox.
#![cfg(all(feature = "bwrap", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stderr, reason = "a test that cannot run says so")]

mod bwrap {
    mod answers;
    pub(super) mod ground;
    mod layers;
}

mod suite {
    matrix_architect_core::sandbox_suite!(match crate::bwrap::ground::Ground::find() {
        Some(ground) => ground,
        None => return Ok(()),
    });
}
