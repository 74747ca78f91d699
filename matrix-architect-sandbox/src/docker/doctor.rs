//! Proves each layer and limit of containers, and says what to do about those that do not hold.

use matrix_architect_core::{
    error::{Error, ErrorKind},
    traits::{Enforcement, Sandbox as _},
};

use super::{config::DockerConfig, local::Unreachable, sandbox::DockerSandbox};
use crate::common::{Check, SESSIONS, checks, closed_by};

/// Tries every layer and limit for real, in a container of its own.
///
/// ```no_run
/// # async fn example() {
/// use matrix_architect_sandbox::docker::{DockerConfig, doctor};
///
/// for check in doctor(&DockerConfig::new("rust:1.95")).await {
///     assert!(check.ok, "{}: {}; {}", check.layer, check.detail, check.remedy);
/// }
/// # }
/// ```
pub async fn doctor(config: &DockerConfig) -> Vec<Check> {
    match DockerSandbox::connect(config.clone()).await {
        Ok(sandbox) => {
            let mut checks = checks(sandbox.capabilities().enforcement, remedy);
            checks.push(egress(sandbox.way_out()));
            checks
        }
        Err(error) => closed_by(layer(&error), &error, "look into the log of the Docker engine"),
    }
}

/// What only some sessions need.
fn egress(way_out: Result<(), Unreachable>) -> Check {
    let (detail, remedy) = match way_out {
        Ok(()) => ("held by a proxy that listens inside".to_owned(), ""),
        Err(why) => (format!("not held: {}", why.why()), why.remedy()),
    };
    let (layer, remedy) = ("egress".to_owned(), remedy.to_owned());
    Check { layer, ok: way_out.is_ok(), detail, remedy }
}

/// What keeps containers from being made, by name.
fn layer(error: &Error) -> &'static str {
    match (error.code_str(), error.kind()) {
        ("docker_unreachable", _) => "socket",
        ("docker_version", _) => "engine",
        ("no_runtime", _) => "runtime",
        ("no_image" | "image_without_shell", _) => "image",
        (_, ErrorKind::Invalid) => "settings",
        _ => SESSIONS,
    }
}

fn remedy(name: &str, enforcement: Enforcement) -> &'static str {
    match (name, enforcement) {
        (_, Enforcement::Enforced | Enforcement::PerProcess) | ("cpu", _) => "",
        ("memory", Enforcement::Polled) => {
            "for a verdict from the kernel's own count, run the server on the engine's machine"
        }
        ("memory" | "processes" | "cpu_millis", _) => {
            "boot the engine's machine with this cgroup controller (cgroup_enable=memory), and do \
             not run the engine rootless without delegated cgroups"
        }
        ("seccomp", _) => "use a kernel and an engine with seccomp: docker info",
        _ => "look into docker info for warnings, and for plugins that change containers",
    }
}
