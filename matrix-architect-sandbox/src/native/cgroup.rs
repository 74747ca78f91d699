//! Control groups, version 1 or 2: made, written, read back, read out and removed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    time::Duration,
};

use matrix_architect_core::traits::Limits;

use super::{
    config::{CgroupUse, NativeConfig},
    owner::Owner,
};

/// What a cgroup can bound or count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    Memory,
    Pids,
    Cpu,
    /// Counts CPU time; part of `Cpu` in version 2.
    CpuAcct,
}

impl Controller {
    const ALL: [Self; 4] = [Self::Memory, Self::Pids, Self::Cpu, Self::CpuAcct];

    const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Cpu => "cpu",
            Self::CpuAcct => "cpuacct",
        }
    }
}

/// Where cgroups can be made for which controller, and of which version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hierarchies(BTreeMap<Controller, (Version, PathBuf)>);

/// A version of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Version {
    /// The mechanism's name in reports.
    pub(crate) fn by(self, what: &str) -> String {
        match self {
            Self::V1 => format!("cgroup v1 {what}"),
            Self::V2 => format!("cgroup v2 {what}"),
        }
    }
}

impl Hierarchies {
    /// Finds them, and proves each by making a cgroup in it.
    pub(crate) fn probe(config: &NativeConfig, owner: Owner) -> Self {
        if config.cgroups == CgroupUse::Off {
            return Self::default();
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let found = Controller::ALL.into_iter().filter_map(|controller| {
            let place = v1_place(controller, &mounts, &own)
                .map(|path| (Version::V1, path))
                .or_else(|| {
                    let root = config.cgroup_root.clone();
                    v2_place(controller, root, &mounts, &own).map(|path| (Version::V2, path))
                })?;
            can_make(&place.1, owner).then_some((controller, place))
        });
        Self(found.collect())
    }

    /// Makes the cgroups of one command and bounds them.
    pub(crate) fn create(&self, name: &str, limits: &Limits) -> io::Result<Group> {
        let mut group = Group { directories: BTreeMap::new(), held: Vec::new() };
        for (controller, (version, parent)) in &self.0 {
            if *controller == Controller::Cpu && *version == Version::V1 && limits.cpu_millis == 0 {
                continue;
            }
            let directory = parent.join(name);
            match fs::create_dir(&directory) {
                Ok(()) => {}
                // One directory serves all controllers of version 2.
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
                Err(cause) => return Err(cause),
            }
            group.directories.insert(*controller, (*version, directory));
            if group.bound(*controller, limits)? {
                group.held.push((*controller, *version));
            }
        }
        Ok(group)
    }

    /// Ends and removes what owners that have died left behind.
    pub(crate) fn reap(&self) -> u64 {
        let mut parents: Vec<_> = self.0.values().map(|(_, parent)| parent.clone()).collect();
        parents.sort();
        parents.dedup();
        let mut reaped = std::collections::BTreeSet::new();
        for directory in parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten() {
            let Ok(entry) = directory else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            if Owner::of(&name).is_some_and(|owner| !owner.is_alive()) {
                kill(&entry.path());
                remove(&entry.path());
                reaped.insert(name);
            }
        }
        reaped.len() as u64
    }
}

/// The directory of this process in a version 1 hierarchy.
fn v1_place(controller: Controller, mounts: &str, own: &str) -> Option<PathBuf> {
    let name = controller.name();
    let (root, point) = mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let is_it = kind.next()? == "cgroup" && kind.nth(1)?.split(',').any(|word| word == name);
        let mut fields = mount.split(' ').skip(3);
        is_it.then_some((fields.next()?, fields.next()?))
    })?;
    let path = own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        fields.next()?.split(',').any(|word| word == name).then(|| fields.next())?
    })?;
    Some(below(point, root, path))
}

/// The delegated directory of version 2, if it hands the controller on.
fn v2_place(
    controller: Controller,
    root: Option<PathBuf>,
    mounts: &str,
    own: &str,
) -> Option<PathBuf> {
    let name = if controller == Controller::CpuAcct { "cpu" } else { controller.name() };
    let directory = root.or_else(|| {
        let (root, point) = mounts.lines().find_map(|line| {
            let (mount, kind) = line.split_once(" - ")?;
            let mut fields = mount.split(' ').skip(3);
            kind.starts_with("cgroup2 ").then_some((fields.next()?, fields.next()?))
        })?;
        Some(below(point, root, own.lines().find_map(|line| line.strip_prefix("0::"))?))
    })?;
    let control = directory.join("cgroup.subtree_control");
    let hands_on = || {
        let text = fs::read_to_string(&control).unwrap_or_default();
        text.split_ascii_whitespace().any(|word| word == name)
    };
    if !hands_on() {
        let _ = fs::write(&control, format!("+{name}"));
    }
    hands_on().then_some(directory)
}

/// A cgroup's directory: its path, less what the mount already stands for.
fn below(point: &str, root: &str, path: &str) -> PathBuf {
    let inner = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
    let directory = Path::new(point).join(inner.trim_start_matches('/'));
    if directory.is_dir() { directory } else { PathBuf::from(point) }
}

fn can_make(parent: &Path, owner: Owner) -> bool {
    let probe = parent.join(owner.name(0));
    let made = fs::create_dir(&probe).is_ok() || probe.is_dir();
    made && probe.join("cgroup.procs").is_file() && fs::remove_dir(&probe).is_ok()
}

/// The cgroups of one command; removed when dropped.
#[derive(Debug)]
pub(crate) struct Group {
    directories: BTreeMap<Controller, (Version, PathBuf)>,
    held: Vec<(Controller, Version)>,
}

/// What a command's cgroups have seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readings {
    /// Processes were killed because memory was short.
    pub(crate) oom: bool,
    /// A fork was refused.
    pub(crate) processes_refused: bool,
    /// The most memory at once.
    pub(crate) peak_memory: Option<u64>,
}

impl Group {
    /// Which version holds a limit that was written and read back.
    pub(crate) fn held(&self, controller: Controller) -> Option<Version> {
        self.held.iter().find(|(held, _)| *held == controller).map(|(_, version)| *version)
    }

    /// Files that take whoever writes `0` into them.
    ///
    /// In version 1 it is `tasks`, the file of threads: a thread that moves itself needs no lock
    /// against forks, while `cgroup.procs` takes that lock and with it waits for an RCU grace
    /// period, which is 7 to 15 ms on a machine where nobody else has just done the same
    /// (`cgroup_procs_write_start` of Linux 5.4 and newer). Who moves has one thread.
    pub(crate) fn memberships(&self) -> io::Result<Vec<OwnedFd>> {
        let file = |version: Version| match version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.procs",
        };
        let mut paths: Vec<_> =
            self.directories.values().map(|(version, path)| path.join(file(*version))).collect();
        paths.dedup();
        paths.iter().map(|path| Ok(File::options().write(true).open(path)?.into())).collect()
    }

    /// A file that tells the CPU time of the tree.
    pub(crate) fn meter(&self) -> Option<OwnedFd> {
        let (version, path) = self.directories.get(&Controller::CpuAcct)?;
        let file = match version {
            Version::V1 => path.join("cpuacct.usage"),
            Version::V2 => path.join("cpu.stat"),
        };
        File::open(file).ok().map(Into::into)
    }

    /// What happened, read before the cgroups are removed.
    pub(crate) fn readings(&self) -> Readings {
        let mut readings = Readings::default();
        if let Some((version, path)) = self.directories.get(&Controller::Memory) {
            let (events, peak) = match version {
                Version::V1 => ("memory.oom_control", "memory.memsw.max_usage_in_bytes"),
                Version::V2 => ("memory.events", "memory.peak"),
            };
            readings.oom = counter(&path.join(events), "oom_kill") > 0;
            readings.peak_memory = number(&path.join(peak))
                .or_else(|| number(&path.join("memory.max_usage_in_bytes")));
        }
        if let Some((_, path)) = self.directories.get(&Controller::Pids) {
            readings.processes_refused = counter(&path.join("pids.events"), "max") > 0;
        }
        readings
    }

    /// Writes a controller's bound and reads it back; `false` if it did not stick.
    fn bound(&self, controller: Controller, limits: &Limits) -> io::Result<bool> {
        let Some((version, path)) = self.directories.get(&controller) else { return Ok(false) };
        match (controller, version) {
            (Controller::CpuAcct, _) => Ok(false),
            (Controller::Memory, Version::V1) => memory_v1(path, limits.memory),
            (Controller::Memory, Version::V2) => memory_v2(path, limits.memory),
            (Controller::Pids, _) => {
                // The command's own pid 1 is one more.
                let most = u64::from(limits.processes) + 1;
                fs::write(path.join("pids.max"), most.to_string())?;
                Ok(number(&path.join("pids.max")) == Some(most))
            }
            (Controller::Cpu, _) if limits.cpu_millis == 0 => Ok(false),
            (Controller::Cpu, Version::V1) => {
                let quota = u64::from(limits.cpu_millis) * 100;
                fs::write(path.join("cpu.cfs_period_us"), "100000")?;
                fs::write(path.join("cpu.cfs_quota_us"), quota.to_string())?;
                Ok(number(&path.join("cpu.cfs_quota_us")) == Some(quota))
            }
            (Controller::Cpu, Version::V2) => {
                let wanted = format!("{} 100000", u64::from(limits.cpu_millis) * 100);
                fs::write(path.join("cpu.max"), &wanted)?;
                Ok(fs::read_to_string(path.join("cpu.max"))?.trim() == wanted)
            }
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut left: Vec<_> = self.directories.values().map(|(_, path)| path.clone()).collect();
        left.dedup();
        left.retain(|path| {
            fs::remove_dir(path).is_err_and(|cause| cause.kind() != io::ErrorKind::NotFound)
        });
        if left.is_empty() {
            return;
        }
        // The kernel is still taking the last processes down; nobody needs to wait for that.
        let remove_later = move || left.iter().for_each(|path| remove(path));
        if std::thread::Builder::new()
            .name("cgroup-removal".to_owned())
            .spawn(remove_later)
            .is_err()
        {
            tracing::warn!("a command's cgroups are left to the reaper: no thread to remove them");
        }
    }
}

/// Memory and swap together; without swap accounting memory alone, if there is no swap.
fn memory_v1(path: &Path, bytes: u64) -> io::Result<bool> {
    let bytes = whole_pages(bytes);
    fs::write(path.join("memory.limit_in_bytes"), bytes.to_string())?;
    let with_swap = path.join("memory.memsw.limit_in_bytes");
    if with_swap.is_file() {
        fs::write(&with_swap, bytes.to_string())?;
        if number(&with_swap) != Some(bytes) {
            return Ok(false);
        }
    } else if has_swap() {
        return Ok(false);
    }
    Ok(number(&path.join("memory.limit_in_bytes")) == Some(bytes))
}

fn memory_v2(path: &Path, bytes: u64) -> io::Result<bool> {
    let bytes = whole_pages(bytes);
    fs::write(path.join("memory.max"), bytes.to_string())?;
    let swap = path.join("memory.swap.max");
    if swap.is_file() {
        fs::write(&swap, "0")?;
    } else if has_swap() {
        return Ok(false);
    }
    Ok(number(&path.join("memory.max")) == Some(bytes))
}

fn whole_pages(bytes: u64) -> u64 {
    let page = rustix::param::page_size() as u64;
    bytes / page * page
}

fn has_swap() -> bool {
    fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn counter(path: &Path, key: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

fn kill(directory: &Path) {
    if fs::write(directory.join("cgroup.kill"), "1").is_ok() {
        return;
    }
    let members = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    for pid in members.lines().filter_map(|line| line.parse().ok()) {
        if let Some(pid) = rustix::process::Pid::from_raw(pid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Removes a cgroup whose processes are ending.
fn remove(directory: &Path) {
    for pause in [1, 5, 20, 50, 100, 200, 500, 1000, 2000, 4000] {
        match fs::remove_dir(directory) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                std::thread::sleep(Duration::from_millis(pause));
            }
            _ => return,
        }
    }
    tracing::warn!(path = %directory.display(), "a cgroup could not be removed");
}
