//! Proves each layer and limit, and says what to do about those that do not hold.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, OwnedFd},
};

use matrix_architect_core::{
    error::{Error, Result},
    traits::{Enforcement, Sandbox as _},
};

use super::{
    config::NativeConfig,
    fault::Fault,
    sandbox::{NativeSandbox, Shared},
    wire::{Layer, Program, Reply, Request, Rlimits, RunRequest, SeatRequest},
};
use crate::common::{Check, SESSIONS, checks, closed_by};

/// Tries every layer and limit for real, in a session that executes nothing.
///
/// ```no_run
/// for check in matrix_architect_sandbox::native::doctor(&Default::default()) {
///     assert!(check.ok, "{}: {}; {}", check.layer, check.detail, check.remedy);
/// }
/// ```
pub fn doctor(config: &NativeConfig) -> Vec<Check> {
    let sandbox = match NativeSandbox::new(config.clone()) {
        Ok(sandbox) => sandbox,
        Err(error) => return closed_by(SESSIONS, &error, START),
    };
    let reports = sandbox.capabilities().enforcement;
    checks(reports, remedy)
}

/// What to do where no session can be opened at all.
const START: &str = "allow user namespaces (sysctl user.max_user_namespaces, \
     kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns=0), \
     or run as root; in a container, allow the unshare, mount and pivot_root calls; \
     Linux 5.12 or newer is needed";

fn remedy(name: &str, enforcement: Enforcement) -> &'static str {
    match (name, enforcement) {
        (_, Enforcement::Enforced | Enforcement::PerProcess) | ("cpu", _) => "",
        ("memory", _) => {
            "for a limit the kernel holds, run as root, or under a delegated cgroup v2 named in \
             cgroup_root (systemd-run --user -p Delegate=yes)"
        }
        ("cpu_millis", _) => "run as root, or under a delegated cgroup v2 named in cgroup_root",
        ("landlock", _) => "boot a kernel with CONFIG_SECURITY_LANDLOCK and lsm=landlock,...",
        ("proc", _) => {
            "in a container, unmask /proc (docker: --security-opt systempaths=unconfined)"
        }
        ("user", _) => "raise sysctl user.max_user_namespaces",
        _ => "in a container, allow unshare of this namespace (its seccomp profile forbids it)",
    }
}

/// Opens a session, enters every layer in it, and returns those that did not hold.
pub(super) fn prove(shared: &Shared) -> Result<Vec<(Layer, Fault)>> {
    let link = shared.launcher.open(shared.request(1 << 20))?;
    let mut lacking = match link.answer()?.0 {
        Reply::Ready(lacking) => lacking,
        Reply::Failed(fault) => return Err(fault.into_error()),
        _ => return Err(Error::unexpected("a sandbox session spoke out of turn")),
    };
    let null: OwnedFd = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|cause| Error::unexpected("/dev/null cannot be opened").source(cause))?
        .into();
    link.say(&Request::Prepare(seat()), &[])?;
    let request = Request::Run(nothing());
    match link.ask(&request, &[null.as_fd(), null.as_fd(), null.as_fd()])? {
        Reply::Ended(ended) => lacking.extend(ended.lacking),
        Reply::Failed(fault) => return Err(fault.into_error()),
        _ => return Err(Error::unexpected("a sandbox session spoke out of turn")),
    }
    Ok(lacking)
}

/// A place for a command that enters every layer it can.
const fn seat() -> SeatRequest {
    let rlimits =
        Rlimits { cpu_seconds: 10, file_size: 1 << 20, open_files: 64, processes: 16, data: 0 };
    SeatRequest { rlimits, proving: true, counting: false }
}

/// A command that executes nothing.
const fn nothing() -> RunRequest {
    RunRequest {
        program: Program { argv: Vec::new(), env: BTreeMap::new(), cwd: None },
        cpu_micros: 10_000_000,
        memory: 0,
        disk: 1 << 20,
        meter: false,
    }
}
