//! The Docker sandbox from outside: the suite, attempts to break out, verdicts, what is left
//! behind, and what it says where it cannot be.
#![cfg(all(feature = "docker", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "native/alone.rs"]
mod alone;
mod docker {
    pub(super) mod attempts;
    pub(super) mod ground;
    mod image;
    mod leaks;
    mod refusals;
    mod verdicts;
}

mod suite {
    matrix_architect_core::sandbox_suite!(match crate::docker::ground::Ground::here().await {
        Some(ground) => ground,
        None => return Ok(()),
    });
}
