//! The native sandbox from outside: the suite as root and without root, verdicts, and what is left
//! behind. Attempts to break out are in `hostile`.
#![cfg(all(feature = "native", feature = "workspace", target_os = "linux"))]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use matrix_architect_sandbox::native::{NativeConfig, NativeSandbox};

#[path = "common/alone.rs"]
mod alone;
#[path = "common/own.rs"]
mod own;

mod native {
    mod descriptors;
    pub(super) mod ground;
    mod leaks;
    mod services;
    mod setup;
    mod soak;
    mod unprivileged;
    mod verdicts;
    mod warm;
}

/// Says aloud why there is no native sandbox here, if there is none.
fn here(ground: fn() -> native::ground::Ground) -> Option<native::ground::Ground> {
    match NativeSandbox::new(NativeConfig::default()) {
        Ok(_) => Some(ground()),
        Err(error) => {
            alone::skip(&format!("there is no native sandbox: {error}"));
            None
        }
    }
}

mod suite {
    use crate::native::ground::Ground;

    matrix_architect_core::sandbox_suite!(match crate::here(Ground::with_cgroups) {
        Some(ground) => ground,
        None => return Ok(()),
    });
}

/// Where no cgroup can be made.
mod suite_without_cgroups {
    use crate::native::ground::Ground;

    matrix_architect_core::sandbox_suite!(match crate::here(Ground::without_cgroups) {
        Some(ground) => ground,
        None => return Ok(()),
    });
}
