//! What a container is like: everything it may not, and how much it may.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountType, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use matrix_architect_core::traits::Limits;

use super::{
    config::{ContainerRuntime, DockerConfig},
    job,
    maker::Place,
    seccomp,
};

/// Where the tree is.
pub(super) const TREE: &str = "/workspace";
/// Where commands keep their caches and settings.
pub(super) const HOME: &str = "/home/sandbox";
/// Where the holder sees all of a space.
pub(super) const SPACE: &str = "/space";

/// What can be written, by the name of its directory in the space, and where it appears.
pub(super) const WRITABLE: [(&str, &str); 4] =
    [("tree", TREE), ("home", HOME), ("tmp", "/tmp"), ("shm", "/dev/shm")];

/// Files of the machine that are nobody's business: those that engines mask by themselves in their
/// several versions, and the kernel's symbols.
const MASKED: [&str; 13] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// The network that is a loopback interface. Not disabled altogether: that would leave `localhost`
/// without an address.
pub(super) const ISOLATED: &str = "none";

/// Memory of what only waits.
const HOLDER_MEMORY: u64 = 32 << 20;
const HOLDER_PROCESSES: u32 = 8;

/// The limit of processes, as the engine names it.
pub(super) const PROCESSES: &str = "nproc";

/// Memory and threads of gVisor itself in each container.
const GVISOR_MEMORY: u64 = 64 << 20;
const GVISOR_TASKS: i64 = 256;

/// The bounds that are given to a container when it is made. Two commands with the same ones can
/// take each other's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) memory: u64,
    pub(super) processes: u32,
    pub(super) cpu_millis: u32,
    pub(super) cpu_seconds: u64,
    pub(super) file_size: u64,
    pub(super) open_files: u32,
}

impl Bounds {
    pub(super) fn of(limits: &Limits) -> Self {
        Self {
            memory: limits.memory,
            processes: limits.processes,
            cpu_millis: limits.cpu_millis,
            cpu_seconds: limits.cpu.as_secs() + u64::from(limits.cpu.subsec_nanos() > 0),
            file_size: limits.file_size,
            open_files: limits.open_files,
        }
    }

    fn of_a_holder() -> Self {
        Self { memory: HOLDER_MEMORY, processes: HOLDER_PROCESSES, ..Self::of(&Limits::default()) }
    }

    /// Processes of the container: the command's and the shell.
    pub(super) fn pids(&self) -> i64 {
        i64::from(self.processes) + 1
    }

    /// What the container's cgroup may hold of processes. gVisor's own threads are in it, several
    /// for each process inside; its kernel counts those.
    pub(super) fn tasks(&self, runtime: ContainerRuntime) -> i64 {
        match runtime {
            ContainerRuntime::Engine => self.pids(),
            ContainerRuntime::GVisor => 4 * self.pids() + GVISOR_TASKS,
        }
    }

    /// What the container's cgroup may hold of memory. gVisor's own is in it.
    pub(super) const fn held_memory(&self, runtime: ContainerRuntime) -> u64 {
        match runtime {
            ContainerRuntime::Engine => self.memory,
            ContainerRuntime::GVisor => self.memory.saturating_add(GVISOR_MEMORY),
        }
    }
}

/// Numbers of the API are signed; what does not fit is as good as no bound.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The container that keeps a space, with the space as a volume.
pub(super) fn holder(
    config: &DockerConfig,
    image: &str,
    volume: &str,
    labels: HashMap<String, String>,
) -> ContainerCreateBody {
    let mount = Mount {
        target: Some(SPACE.to_owned()),
        source: Some(volume.to_owned()),
        typ: Some(MountType::VOLUME),
        ..Mount::default()
    };
    // Nothing of a change runs in it, so that it needs no kernel of its own.
    let (of, held) = ((config, ContainerRuntime::Engine), Bounds::of_a_holder());
    body(of, image, (job::HOLDING, ISOLATED), labels, vec![mount], &held)
}

/// A container for one command.
pub(super) fn runner(
    config: &DockerConfig,
    image: &str,
    place: &Place,
    bounds: &Bounds,
    labels: HashMap<String, String>,
) -> ContainerCreateBody {
    let space = &place.path;
    let writable =
        WRITABLE.map(|(name, target)| bind(format!("{space}/{name}"), target.into(), false));
    let shown = place.binds.iter().map(|shown| {
        bind(shown.source.display().to_string(), shown.target.display().to_string(), true)
    });
    let mounts = writable.into_iter().chain(shown).collect();
    let of = (config, config.runtime);
    body(of, image, (job::PARKED, &place.network), labels, mounts, bounds)
}

fn bind(source: String, target: String, read_only: bool) -> Mount {
    Mount {
        target: Some(target),
        source: Some(source),
        typ: Some(MountType::BIND),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

fn body(
    (config, runtime): (&DockerConfig, ContainerRuntime),
    image: &str,
    (script, network): (&str, &str),
    labels: HashMap<String, String>,
    mounts: Vec<Mount>,
    bounds: &Bounds,
) -> ContainerCreateBody {
    let own = [("HOME", HOME), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8"), ("USER", "sandbox")];
    let own = own.map(|(name, value)| format!("{name}={value}"));
    let given = config.env.iter().map(|(name, value)| format!("{name}={value}"));
    ContainerCreateBody {
        // Whoever joins a network has its name.
        hostname: (network == ISOLATED).then(|| "sandbox".to_owned()),
        user: Some(config.user.clone()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        open_stdin: Some(true),
        // Its input ends with the connection, and a shell without input ends: whatever happens to
        // us, nothing is left waiting.
        stdin_once: Some(true),
        tty: Some(false),
        env: Some(own.into_iter().chain(given).collect()),
        entrypoint: Some(["/bin/sh", "-c", script].map(str::to_owned).into()),
        cmd: Some(Vec::new()),
        working_dir: Some("/".to_owned()),
        image: Some(image.to_owned()),
        labels: Some(labels),
        stop_timeout: Some(0),
        healthcheck: Some(bollard::models::HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..bollard::models::HealthConfig::default()
        }),
        host_config: Some(host_config(runtime, network, mounts, bounds)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(
    runtime: ContainerRuntime,
    network: &str,
    mounts: Vec<Mount>,
    bounds: &Bounds,
) -> HostConfig {
    let seccomp = format!("seccomp={}", seccomp::profile());
    let memory = signed(bounds.held_memory(runtime));
    HostConfig {
        network_mode: Some(network.to_owned()),
        readonly_rootfs: Some(true),
        mounts: Some(mounts),
        cap_drop: Some(vec!["ALL".to_owned()]),
        privileged: Some(false),
        security_opt: Some(vec!["no-new-privileges:true".to_owned(), seccomp]),
        pids_limit: Some(bounds.tasks(runtime)),
        memory: Some(memory),
        // Memory and swap together: no swap.
        memory_swap: Some(memory),
        nano_cpus: (bounds.cpu_millis > 0).then(|| i64::from(bounds.cpu_millis) * 1_000_000),
        ulimits: Some(ulimits(runtime, bounds)),
        oom_kill_disable: Some(false),
        // Our shell is process 1 and reaps; the space has a place for shared memory.
        init: Some(false),
        ipc_mode: Some("none".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        auto_remove: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        masked_paths: Some(MASKED.map(str::to_owned).into()),
        runtime: runtime.name().map(str::to_owned),
        ..HostConfig::default()
    }
}

/// Hard bounds of each process. That of processes counts a user's on the whole machine, so the
/// cgroup holds it instead; with a kernel of its own, the container is all of the machine.
fn ulimits(runtime: ContainerRuntime, bounds: &Bounds) -> Vec<ResourcesUlimits> {
    let processes = match runtime {
        ContainerRuntime::Engine => None,
        ContainerRuntime::GVisor => Some((PROCESSES, bounds.pids().unsigned_abs())),
    };
    let all = [
        ("core", 0),
        ("cpu", bounds.cpu_seconds),
        ("fsize", bounds.file_size),
        ("msgqueue", 0),
        ("nofile", u64::from(bounds.open_files)),
    ];
    let all = all.into_iter().chain(processes);
    all.map(|(name, value)| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(signed(value)),
        hard: Some(signed(value)),
    })
    .collect()
}
