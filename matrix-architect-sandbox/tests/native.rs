//! The native sandbox from outside: the suite as root and without root, attempts to break out,
//! verdicts, and what is left behind.
#![cfg(all(feature = "native", feature = "workspace", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod native {
    pub(super) mod alone;
    mod attempts;
    pub(super) mod ground;
    mod leaks;
    mod services;
    mod setup;
    mod soak;
    mod unprivileged;
    mod verdicts;
}

mod suite {
    matrix_architect_core::sandbox_suite!(crate::native::ground::Ground::with_cgroups());
}

/// Where no cgroup can be made.
mod suite_without_cgroups {
    matrix_architect_core::sandbox_suite!(crate::native::ground::Ground::without_cgroups());
}
