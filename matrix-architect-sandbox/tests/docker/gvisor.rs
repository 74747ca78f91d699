//! gVisor as the engine's runtime.

use std::{fs, time::Duration};

use matrix_architect_core::traits::{Enforcement, ExitVerdict, Limits};
use matrix_architect_sandbox::docker::ContainerRuntime;

use super::{
    ground::Ground,
    verdicts::{MIB, ended},
};
use crate::image::docker;

/// Whether the engine has gVisor.
pub(crate) fn is_here() -> bool {
    let runtimes = docker(&["info", "--format", "{{json .Runtimes}}"]).unwrap_or_default();
    runtimes.contains("\"runsc\"")
}

/// `None`, and said so, where the engine does not have it.
#[expect(clippy::print_stderr, reason = "a test that was not run says so")]
pub(crate) async fn ground() -> Option<Ground> {
    if !is_here() {
        // Also where all must run: no package of this system brings it.
        eprintln!("SKIPPED: the Docker engine does not have gVisor's runsc");
        return None;
    }
    Ground::with(|mut config| {
        config.runtime = ContainerRuntime::GVisor;
        config
    })
    .await
}

fn bounds() -> Limits {
    Limits::default().wall(Duration::from_mins(2)).memory(128 * MIB).disk(16 * MIB).processes(32)
}

#[tokio::test]
async fn the_kernel_inside_is_another() {
    let Some(ground) = ground().await else { return };
    let (exit, told) = ended(&ground, "cat /proc/version", bounds()).await;
    let host = fs::read_to_string("/proc/version").unwrap();
    assert!(exit.verdict.is_success() && !told.is_empty() && told != host, "{told}");
    let kernel = exit.enforcement.iter().find(|report| report.name == "kernel").unwrap();
    assert_eq!(kernel.enforcement, Enforcement::Enforced);
}

#[tokio::test]
async fn ends_are_told_apart() {
    let Some(ground) = ground().await else { return };
    let spin = "(while :; do :; done) & (while :; do :; done) & wait";
    for (line, limits, verdict) in [
        ("exit 3", bounds(), ExitVerdict::Exited(3)),
        ("kill -TERM $$", bounds(), ExitVerdict::Signalled(15)),
        ("tail /dev/zero", bounds(), ExitVerdict::OutOfMemory),
        ("dd if=/dev/zero of=big bs=1M count=64 2>&1", bounds(), ExitVerdict::DiskExceeded),
        (spin, bounds().cpu(Duration::from_secs(1)), ExitVerdict::CpuExceeded),
    ] {
        let (exit, told) = ended(&ground, line, limits).await;
        assert_eq!(exit.verdict, verdict, "{line}: {told}");
    }
}

/// gVisor's kernel counts and refuses; it does not tell anybody.
#[tokio::test]
async fn processes_are_bounded_by_the_kernel_inside() {
    let Some(ground) = ground().await else { return };
    let line = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5 & done; wait; exit 3";
    let (exit, told) = ended(&ground, line, bounds().processes(6)).await;
    assert!(told.contains("fork"), "{told}");
    assert!(!exit.verdict.is_success(), "{:?}", exit.verdict);
    let (exit, told) = ended(&ground, line, bounds()).await;
    assert_eq!(exit.verdict, ExitVerdict::Exited(3), "enough: {told}");
}
