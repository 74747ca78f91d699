//! The Docker sandbox from outside: the suite, verdicts, what is left behind, and what it says where
//! it cannot be. Attempts to break out are in `hostile`.
#![cfg(all(feature = "docker", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "common/alone.rs"]
mod alone;
#[path = "common/image.rs"]
mod image;
#[path = "common/own.rs"]
mod own;
mod docker {
    pub(super) mod ground;
    pub(super) mod gvisor;
    mod leaks;
    mod reach;
    mod refusals;
    mod relay;
    mod services;
    mod verdicts;
}

mod suite {
    matrix_architect_core::sandbox_suite!(match crate::docker::ground::Ground::here().await {
        Some(ground) => ground,
        None => return Ok(()),
    });
}

/// The same promises, kept by a kernel of its own for each container.
mod suite_on_gvisor {
    matrix_architect_core::sandbox_suite!(match crate::docker::gvisor::ground().await {
        Some(ground) => ground,
        None => return Ok(()),
    });
}
