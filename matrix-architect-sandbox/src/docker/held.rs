//! Reads back what holds a container: from the kernel where the engine runs on this machine, from
//! the engine's own record where not.

use std::fs;

use bollard::models::{ContainerInspectResponse, HostConfig};
use matrix_architect_core::traits::{
    Enforcement::{self, Absent, Enforced, PerProcess, Polled},
    LimitReport,
};

use super::{
    cgroup::Cgroup,
    config::ContainerRuntime,
    image::Image,
    maker::Place,
    shape::{Bounds, PROCESSES, signed},
};
use crate::common::report;

/// What is read.
#[derive(Debug)]
pub(super) struct Evidence<'a> {
    pub(super) inspected: &'a ContainerInspectResponse,
    pub(super) cgroup: Option<&'a Cgroup>,
    pub(super) bounds: &'a Bounds,
    pub(super) runtime: ContainerRuntime,
    pub(super) image: &'a Image,
    pub(super) place: &'a Place,
}

/// `/proc` of the container's first process, where it is one of this machine and of its kernel.
#[derive(Debug, Default)]
struct Process {
    status: String,
    limits: String,
    devices: String,
}

impl Process {
    fn of(pid: i64) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        Some(Self { status: read("status")?, limits: read("limits")?, devices: read("net/dev")? })
    }

    /// The first word of a line of `status`.
    fn says(&self, key: &str) -> Option<&str> {
        let line = self.status.lines().find_map(|line| line.strip_prefix(key))?;
        line.strip_prefix(':')?.split_ascii_whitespace().next()
    }

    /// The hard bound of a line of `limits`.
    fn hard(&self, name: &str) -> Option<u64> {
        let line = self.limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    fn has_no_rights(&self) -> bool {
        let none = |key| self.says(key).is_some_and(|bits| bits.bytes().all(|bit| bit == b'0'));
        ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"].into_iter().all(none)
            && self.says("NoNewPrivs") == Some("1")
    }

    fn sees_only_itself(&self) -> bool {
        let devices = self.devices.lines().skip(2).filter_map(|line| line.split_once(':'));
        devices.map(|(name, _)| name.trim()).all(|name| name == "lo")
    }
}

/// How each layer and limit of a container is held. Those of a command come beside them.
pub(super) fn reports(evidence: &Evidence<'_>) -> Vec<LimitReport> {
    let absent = HostConfig::default();
    let host = evidence.inspected.host_config.as_ref().unwrap_or(&absent);
    let pid = evidence.inspected.state.as_ref().and_then(|state| state.pid).unwrap_or(0);
    let is_here = evidence.cgroup.is_some() && evidence.runtime == ContainerRuntime::Engine;
    let process = is_here.then(|| Process::of(pid)).flatten();
    let mut reports = layers(host, process.as_ref(), evidence);
    reports.extend(limits(evidence, host, process.as_ref()));
    reports.push(report("image", Enforced, &evidence.image.recorded));
    if let Some(name) = evidence.runtime.name() {
        let is_it = host.runtime.as_deref() == Some(name);
        reports.push(report("kernel", held(is_it), "gVisor, one for each container"));
    }
    reports
}

const fn held(holds: bool) -> Enforcement {
    if holds { Enforced } else { Absent }
}

fn layers(
    host: &HostConfig,
    process: Option<&Process>,
    evidence: &Evidence<'_>,
) -> Vec<LimitReport> {
    let (place, runtime) = (evidence.place, evidence.runtime);
    let none = |mode: Option<&String>| mode.is_some_and(|mode| mode == "none");
    let own = |mode: Option<&String>| mode.is_none_or(String::is_empty);
    let options = host.security_opt.as_deref().unwrap_or_default();
    let ours = options.iter().any(|option| option.starts_with("seccomp={"));
    let dropped = host.cap_drop.iter().flatten().any(|name| name == "ALL")
        && options.iter().any(|option| option.starts_with("no-new-privileges"));
    let seen = |look: fn(&Process) -> bool| process.is_none_or(look);
    let layers = [
        (
            "mounts",
            host.readonly_rootfs == Some(true) && host.privileged != Some(true),
            "image read-only, own mount namespace",
        ),
        ("processes_view", own(host.pid_mode.as_ref()), "pid namespace"),
        ("capabilities", dropped && seen(Process::has_no_rights), "none, and no new privileges"),
        (
            "network",
            place.is_isolated
                && host.network_mode.as_ref() == Some(&place.network)
                && seen(Process::sees_only_itself),
            "network namespace with loopback alone",
        ),
        ("ipc", none(host.ipc_mode.as_ref()), "ipc namespace"),
        (
            "seccomp",
            ours && seen(|process| process.says("Seccomp") == Some("2")),
            match runtime {
                ContainerRuntime::Engine => "our own list of allowed calls",
                ContainerRuntime::GVisor => {
                    "gVisor's kernel takes every call, under its own filter"
                }
            },
        ),
        ("user", seen(|process| process.says("Uid") != Some("0")), "a user without rights"),
    ];
    layers.map(|(name, holds, by)| report(name, held(holds), by)).into()
}

fn limits(
    evidence: &Evidence<'_>,
    host: &HostConfig,
    process: Option<&Process>,
) -> Vec<LimitReport> {
    let bounds = evidence.bounds;
    let cgroup = evidence.cgroup;
    let runtime = evidence.runtime;
    let memory = bounds.held_memory(runtime);
    let told = host.memory == Some(signed(memory));
    let page = rustix::param::page_size() as u64;
    let memory = match cgroup {
        // The kernel counts in pages.
        Some(group) => held(group.memory() == Some(memory / page * page)),
        None if told => Polled,
        None => Absent,
    };
    let by = |controller| match cgroup {
        Some(group) => group.name(controller),
        None => format!("{controller} cgroup, by the engine's word"),
    };
    let tasks = bounds.tasks(runtime);
    let held_tasks = match cgroup {
        Some(group) => group.pids() == u64::try_from(tasks).ok(),
        None => host.pids_limit == Some(tasks),
    };
    let (processes, processes_by) = match runtime {
        ContainerRuntime::Engine => (held_tasks, by("pids")),
        ContainerRuntime::GVisor => {
            let mut limits = host.ulimits.iter().flatten();
            let counted = limits.any(|limit| {
                limit.name.as_deref() == Some(PROCESSES) && limit.hard == Some(bounds.pids())
            });
            (held_tasks && counted, "rlimit, counted by the container's own kernel".to_owned())
        }
    };
    let rlimit = |name, wanted| process.is_none_or(|process| process.hard(name) == Some(wanted));
    let open_files = rlimit("Max open files", u64::from(bounds.open_files));
    let mut reports = vec![
        report("wall", Enforced, "timer and end of the container"),
        report(
            "cpu",
            if cgroup.is_some() { Polled } else { PerProcess },
            "tree's CPU time where it can be seen, rlimit for each process",
        ),
        report("memory", memory, &by("memory")),
        report("processes", held(processes), &processes_by),
        report("file_size", held(rlimit("Max file size", bounds.file_size)), "rlimit"),
        report("open_files", if open_files { PerProcess } else { Absent }, "rlimit"),
        report("output", Enforced, "ring of the last half of the cap"),
    ];
    if bounds.cpu_millis > 0 {
        let wanted = u64::from(bounds.cpu_millis);
        let holds = match cgroup {
            Some(group) => group.cpu_millis() == Some(wanted),
            None => host.nano_cpus == Some(i64::from(bounds.cpu_millis) * 1_000_000),
        };
        reports.push(report("cpu_millis", held(holds), &by("cpu")));
    }
    reports
}
