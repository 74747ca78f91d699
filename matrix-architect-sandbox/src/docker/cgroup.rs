//! What the kernel counts and bounds for a container, read on this machine: only an engine that
//! runs here has something to read.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// A container's cgroups.
#[derive(Clone, Debug)]
pub(super) struct Cgroup {
    version: Version,
    memory: PathBuf,
    pids: PathBuf,
    cpu: PathBuf,
    usage: PathBuf,
}

/// A version of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) user: Duration,
    pub(super) system: Duration,
    pub(super) peak_memory: u64,
    pub(super) oom_kills: u64,
    pub(super) refused_processes: u64,
}

impl Cgroup {
    /// Finds the cgroups of a container by its first process; `None` if that is none of this
    /// machine, or one that cannot be seen.
    pub(super) fn of(pid: i64, container: &str) -> Option<Self> {
        let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
        Self::find(&own, &mounts, container).filter(|found| found.memory.is_dir())
    }

    fn find(own: &str, mounts: &str, container: &str) -> Option<Self> {
        let place = |controller: &str| {
            let path = own.lines().find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                let is_it = fields.next()?.split(',').any(|word| word == controller);
                is_it.then(|| fields.next())?
            })?;
            let point = mount_point(mounts, controller)?;
            path.contains(container).then(|| below(point, path))
        };
        if let (Some(memory), Some(pids)) = (place("memory"), place("pids")) {
            let (cpu, usage) = (place("cpu")?, place("cpuacct")?);
            return Some(Self { version: Version::V1, memory, pids, cpu, usage });
        }
        let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
        let group = below(mount_point(mounts, "")?, path);
        path.contains(container).then(|| Self {
            version: Version::V2,
            memory: group.clone(),
            pids: group.clone(),
            cpu: group.clone(),
            usage: group,
        })
    }

    /// As reports name a controller.
    pub(super) fn name(&self, controller: &str) -> String {
        match self.version {
            Version::V1 => format!("cgroup v1 {controller}"),
            Version::V2 => format!("cgroup v2 {controller}"),
        }
    }

    /// The bound on memory in bytes.
    pub(super) fn memory(&self) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        number(&self.memory.join(file))
    }

    /// The bound on processes.
    pub(super) fn pids(&self) -> Option<u64> {
        number(&self.pids.join("pids.max"))
    }

    /// The share of a CPU, in thousandths.
    pub(super) fn cpu_millis(&self) -> Option<u64> {
        let (quota, period) = match self.version {
            Version::V1 => (
                number(&self.cpu.join("cpu.cfs_quota_us"))?,
                number(&self.cpu.join("cpu.cfs_period_us"))?,
            ),
            Version::V2 => {
                let text = fs::read_to_string(self.cpu.join("cpu.max")).ok()?;
                let (quota, period) = text.trim().split_once(' ')?;
                (quota.parse().ok()?, period.parse().ok()?)
            }
        };
        (period > 0).then(|| quota * 1000 / period)
    }

    /// Forgets the most memory so far, which was the engine's own to start the container; where
    /// only root may, it counts.
    pub(super) fn forget_peak(&self) {
        let file = match self.version {
            Version::V1 => "memory.max_usage_in_bytes",
            Version::V2 => "memory.peak",
        };
        let _ = fs::write(self.memory.join(file), "0");
    }

    /// CPU time so far.
    pub(super) fn cpu_time(&self) -> (Duration, Duration) {
        match self.version {
            Version::V1 => {
                let nanos =
                    |file| Duration::from_nanos(number(&self.usage.join(file)).unwrap_or(0));
                (nanos("cpuacct.usage_user"), nanos("cpuacct.usage_sys"))
            }
            Version::V2 => {
                let stat = self.usage.join("cpu.stat");
                let micros = |key| Duration::from_micros(entry(&stat, key).unwrap_or(0));
                (micros("user_usec"), micros("system_usec"))
            }
        }
    }

    /// Everything that is counted.
    pub(super) fn counted(&self) -> Counted {
        let (user, system) = self.cpu_time();
        let (events, peak) = match self.version {
            Version::V1 => ("memory.oom_control", "memory.max_usage_in_bytes"),
            Version::V2 => ("memory.events", "memory.peak"),
        };
        Counted {
            user,
            system,
            peak_memory: number(&self.memory.join(peak)).unwrap_or(0),
            oom_kills: entry(&self.memory.join(events), "oom_kill").unwrap_or(0),
            refused_processes: entry(&self.pids.join("pids.events"), "max").unwrap_or(0),
        }
    }
}

/// Where a hierarchy is mounted as a whole: that of a controller, or version 2's for `""`.
fn mount_point<'m>(mounts: &'m str, controller: &str) -> Option<&'m str> {
    mounts.lines().find_map(|line| {
        let (mount, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let is_it = match kind.next()? {
            "cgroup2" => controller.is_empty(),
            "cgroup" => kind.nth(1)?.split(',').any(|word| word == controller),
            _ => false,
        };
        let mut fields = mount.split(' ').skip(3);
        (is_it && fields.next()? == "/").then(|| fields.next())?
    })
}

fn below(point: &str, path: &str) -> PathBuf {
    Path::new(point).join(path.trim_start_matches('/'))
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The number after a key in a file of `key number` lines.
fn entry(file: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let mut words = text.lines().filter_map(|line| line.split_once(' '));
    words.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
30 24 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 24 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 24 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
";

    #[test]
    fn both_versions_are_found_and_only_of_the_container() {
        let own = "4:pids:/docker/abc\n3:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/\n";
        let v1 = Cgroup::find(own, MOUNTS, "abc").unwrap();
        assert_eq!(v1.memory, Path::new("/sys/fs/cgroup/memory/docker/abc"));
        assert_eq!(v1.usage, Path::new("/sys/fs/cgroup/cpu,cpuacct/docker/abc"));
        assert_eq!(v1.name("pids"), "cgroup v1 pids");
        let own = "0::/system.slice/docker-abc.scope\n";
        let mounts = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        let v2 = Cgroup::find(own, mounts, "abc").unwrap();
        assert_eq!(v2.pids, Path::new("/sys/fs/cgroup/system.slice/docker-abc.scope"));
        assert_eq!(v2.name("memory"), "cgroup v2 memory");
        assert!(Cgroup::find(own, mounts, "another").is_none());
    }
}
