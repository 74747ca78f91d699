//! Control groups, version 1 or 2: where they can be made, and who left some behind.

mod directory;
mod group;
mod reserve;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use matrix_architect_core::traits::Limits;

use super::{
    config::{CgroupUse, NativeConfig},
    owner::Owner,
};
use directory::Parent;
use group::Slot;
pub(crate) use group::{Group, Readings};
use reserve::Reserve;

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
#[derive(Debug, Default)]
pub(crate) struct Hierarchies {
    places: BTreeMap<Controller, (Version, Parent)>,
    reserve: Arc<Reserve>,
}

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
        let kept = Arc::default();
        let found = Controller::ALL.into_iter().filter_map(|controller| {
            let place = v1_place(controller, &mounts, &own)
                .map(|path| (Version::V1, path))
                .or_else(|| {
                    let root = config.cgroup_root.clone();
                    v2_place(controller, root, &mounts, &own).map(|path| (Version::V2, path))
                })?;
            if !can_make(&place.1, owner) {
                return None;
            }
            Some((controller, (place.0, Parent::open(place.1, &kept).ok()?)))
        });
        Self { places: found.collect(), reserve: Arc::default() }
    }

    /// Cgroups for one command, bounded, if there are some to be used again. Does not make any, so
    /// that it never waits for the kernel's lock on them.
    pub(super) fn reuse(&self, limits: &Limits) -> Option<Group> {
        let wanted: Vec<_> = self.wanted(limits).map(|(controller, _)| *controller).collect();
        let slot = self.reserve.take(&wanted)?;
        // What does not take its bounds is not kept.
        Group::occupy(slot, limits, &self.reserve).ok()
    }

    /// Makes the cgroups of one command and bounds them.
    pub(crate) fn create(&self, name: &str, limits: &Limits) -> io::Result<Group> {
        let mut slot = Slot::default();
        for (controller, (version, parent)) in self.wanted(limits) {
            slot.add(*controller, *version, parent.make(name)?);
        }
        Group::occupy(slot, limits, &self.reserve)
    }

    /// The places in which a command with these limits needs a cgroup.
    fn wanted(&self, limits: &Limits) -> impl Iterator<Item = (&Controller, &(Version, Parent))> {
        let has_quota = limits.cpu_millis > 0;
        self.places.iter().filter(move |(controller, (version, _))| {
            has_quota || **controller != Controller::Cpu || *version == Version::V2
        })
    }

    /// Ends and removes what owners that have died left behind.
    pub(crate) fn reap(&self) -> u64 {
        let mut parents: Vec<_> =
            self.places.values().map(|(_, parent)| parent.path().to_owned()).collect();
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
