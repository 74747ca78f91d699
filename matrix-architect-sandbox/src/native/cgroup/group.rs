//! The cgroups of one command: bounded, read back and read out.

use std::{collections::BTreeMap, fs, io, os::fd::OwnedFd, path::PathBuf, sync::Arc};

use matrix_architect_core::traits::Limits;

use super::{
    Controller, Version,
    directory::{Directory, Use, if_there},
    reserve::Reserve,
};

/// The directories of a command's cgroups, and what they had counted before it.
#[derive(Debug, Default)]
pub(super) struct Slot {
    places: BTreeMap<Controller, (Version, Directory)>,
    used_before: bool,
    oom_kills: u64,
    refused_forks: u64,
}

impl Slot {
    pub(super) fn add(&mut self, controller: Controller, version: Version, directory: Directory) {
        self.places.insert(controller, (version, directory));
    }

    /// Whether it is made for just these controllers.
    pub(super) fn is_for(&self, wanted: &[Controller]) -> bool {
        self.places.keys().eq(wanted)
    }

    /// Whether it can be used again: all counters of version 1 can be set back or subtracted, the
    /// peak of version 2 cannot.
    pub(super) fn is_lasting(&self) -> bool {
        !self.places.is_empty() && self.places.values().all(|(version, _)| *version == Version::V1)
    }

    /// Whether nobody is in it and next to no memory is left to its account. What a command wrote
    /// into its session's space is memory until the session ends.
    pub(super) fn is_empty(&self) -> bool {
        let place = |controller| self.places.get(&controller).map(|(_, directory)| directory);
        let nobody = match place(Controller::Pids) {
            Some(pids) => pids.number("pids.current") == Some(0),
            None => self.places.values().all(|(_, directory)| directory.is_deserted()),
        };
        let is_free =
            |memory: &Directory| memory.number(USAGE).is_some_and(|used| used <= LEFT_BEHIND);
        nobody && place(Controller::Memory).is_none_or(is_free)
    }

    /// Sets back what counts, or remembers it.
    fn reset(&mut self) -> io::Result<()> {
        self.oom_kills = self.oom_kills();
        self.refused_forks = self.refused_forks();
        if let Some((_, memory)) = self.places.get(&Controller::Memory) {
            memory.write(PEAK, "0")?;
            if_there(memory.write(PEAK_WITH_SWAP, "0"))?;
        }
        if let Some((_, accounts)) = self.places.get(&Controller::CpuAcct) {
            accounts.write("cpuacct.usage", "0")?;
        }
        Ok(())
    }

    fn oom_kills(&self) -> u64 {
        let Some((version, memory)) = self.places.get(&Controller::Memory) else { return 0 };
        let events = match version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        memory.counter(events, "oom_kill")
    }

    fn refused_forks(&self) -> u64 {
        let place = self.places.get(&Controller::Pids);
        place.map_or(0, |(_, pids)| pids.counter("pids.events", "max"))
    }

    fn peak_memory(&self) -> Option<u64> {
        let (version, memory) = self.places.get(&Controller::Memory)?;
        let peak = match version {
            Version::V1 => PEAK_WITH_SWAP,
            Version::V2 => "memory.peak",
        };
        memory.number(peak).or_else(|| memory.number(PEAK))
    }

    /// The directories, each once.
    fn directories(&self) -> Vec<PathBuf> {
        let paths: std::collections::BTreeSet<_> =
            self.places.values().map(|(_, directory)| directory.path()).collect();
        paths.into_iter().collect()
    }

    /// Removes it; if processes in it are still ending, later.
    pub(super) fn remove(&self) {
        let mut left = self.directories();
        left.retain(|path| {
            fs::remove_dir(path).is_err_and(|cause| cause.kind() != io::ErrorKind::NotFound)
        });
        if left.is_empty() {
            return;
        }
        // The kernel is still taking the last processes down; nobody needs to wait for that.
        let remove_later = move || left.iter().for_each(|path| super::remove(path));
        if std::thread::Builder::new()
            .name("cgroup-removal".to_owned())
            .spawn(remove_later)
            .is_err()
        {
            tracing::warn!("a command's cgroups are left to the reaper: no thread to remove them");
        }
    }
}

const USAGE: &str = "memory.usage_in_bytes";
const PEAK: &str = "memory.max_usage_in_bytes";
const PEAK_WITH_SWAP: &str = "memory.memsw.max_usage_in_bytes";
const LIMIT: &str = "memory.limit_in_bytes";
const LIMIT_WITH_SWAP: &str = "memory.memsw.limit_in_bytes";

/// Memory that may be left in a cgroup that is used again: what the kernel keeps at hand for each
/// CPU, and the last of what it frees later.
const LEFT_BEHIND: u64 = 1 << 20;

/// The cgroups of one command; removed when dropped, unless they were given back.
#[derive(Debug)]
pub(crate) struct Group {
    slot: Slot,
    held: Vec<(Controller, Version)>,
    reserve: Arc<Reserve>,
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
    /// Bounds cgroups for one command.
    pub(super) fn occupy(slot: Slot, limits: &Limits, reserve: &Arc<Reserve>) -> io::Result<Self> {
        let mut group = Self { slot, held: Vec::new(), reserve: Arc::clone(reserve) };
        let outcome = group.take_over(limits);
        if outcome.is_err() {
            std::mem::take(&mut group.slot).remove();
        }
        outcome.map(|()| group)
    }

    fn take_over(&mut self, limits: &Limits) -> io::Result<()> {
        if std::mem::replace(&mut self.slot.used_before, true) {
            self.slot.reset()?;
        }
        for (controller, (version, directory)) in &self.slot.places {
            if bound(*controller, *version, directory, limits)? {
                self.held.push((*controller, *version));
            }
        }
        Ok(())
    }

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
    pub(crate) fn memberships(&self) -> io::Result<Vec<Arc<OwnedFd>>> {
        let file = |version: Version| match version {
            Version::V1 => "tasks",
            Version::V2 => "cgroup.procs",
        };
        // One directory serves all controllers of version 2.
        let mut seen = std::collections::BTreeSet::new();
        let places = self.slot.places.values();
        let each = places.filter(|(_, directory)| seen.insert(directory.path()));
        each.map(|(version, directory)| directory.open(file(*version), Use::Writing)).collect()
    }

    /// A file that tells the CPU time of the tree.
    pub(crate) fn meter(&self) -> Option<Arc<OwnedFd>> {
        let (version, directory) = self.slot.places.get(&Controller::CpuAcct)?;
        let file = match version {
            Version::V1 => "cpuacct.usage",
            Version::V2 => "cpu.stat",
        };
        directory.open(file, Use::Reading).ok()
    }

    /// What happened, read before the cgroups are given back.
    pub(crate) fn readings(&self) -> Readings {
        Readings {
            oom: self.slot.oom_kills() > self.slot.oom_kills,
            processes_refused: self.slot.refused_forks() > self.slot.refused_forks,
            peak_memory: self.slot.peak_memory(),
        }
    }
}

/// Holds a controller's bound, written unless it is there, and read back; `false` if it did not
/// stick.
fn bound(
    controller: Controller,
    version: Version,
    directory: &Directory,
    limits: &Limits,
) -> io::Result<bool> {
    match (controller, version) {
        (Controller::CpuAcct, _) => Ok(false),
        (Controller::Memory, Version::V1) => memory_v1(directory, limits.memory),
        (Controller::Memory, Version::V2) => memory_v2(directory, limits.memory),
        (Controller::Pids, _) => {
            // The command's own pid 1 is one more.
            let most = u64::from(limits.processes) + 1;
            if directory.number("pids.max") == Some(most) {
                return Ok(true);
            }
            directory.write("pids.max", &most.to_string())?;
            Ok(directory.number("pids.max") == Some(most))
        }
        (Controller::Cpu, _) if limits.cpu_millis == 0 => Ok(false),
        (Controller::Cpu, Version::V1) => {
            let quota = u64::from(limits.cpu_millis) * 100;
            directory.write("cpu.cfs_period_us", "100000")?;
            directory.write("cpu.cfs_quota_us", &quota.to_string())?;
            Ok(directory.number("cpu.cfs_quota_us") == Some(quota))
        }
        (Controller::Cpu, Version::V2) => {
            let wanted = format!("{} 100000", u64::from(limits.cpu_millis) * 100);
            directory.write("cpu.max", &wanted)?;
            Ok(directory.read("cpu.max")?.trim() == wanted)
        }
    }
}

impl Group {
    /// Leaves them to be used again. Only for who knows that everybody who was to join them has
    /// done so and ended: a process that is still on its way would join another command's.
    pub(crate) fn give_back(&mut self) {
        self.reserve.give_back(std::mem::take(&mut self.slot));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Who is still on the way into them finds them gone, and does not become a command.
        std::mem::take(&mut self.slot).remove();
    }
}

/// Memory and swap together; without swap accounting memory alone, if there is no swap.
fn memory_v1(directory: &Directory, bytes: u64) -> io::Result<bool> {
    let bytes = whole_pages(bytes);
    let with_swap = || directory.number(LIMIT_WITH_SWAP);
    let (alone, together) = (directory.number(LIMIT), with_swap());
    let counts_swap = together.is_some();
    if !counts_swap && has_swap() {
        return Ok(false);
    }
    if alone == Some(bytes) && (!counts_swap || together == Some(bytes)) {
        return Ok(true);
    }
    let text = bytes.to_string();
    // The first must never be above the second, so it depends which way they go.
    if directory.write(LIMIT, &text).is_err() && counts_swap {
        directory.write(LIMIT_WITH_SWAP, &text)?;
    }
    directory.write(LIMIT, &text)?;
    if counts_swap {
        directory.write(LIMIT_WITH_SWAP, &text)?;
    }
    Ok(directory.number(LIMIT) == Some(bytes) && (!counts_swap || with_swap() == Some(bytes)))
}

fn memory_v2(directory: &Directory, bytes: u64) -> io::Result<bool> {
    let bytes = whole_pages(bytes);
    directory.write("memory.max", &bytes.to_string())?;
    if if_there(directory.write("memory.swap.max", "0"))?.is_none() && has_swap() {
        return Ok(false);
    }
    Ok(directory.number("memory.max") == Some(bytes))
}

fn whole_pages(bytes: u64) -> u64 {
    let page = rustix::param::page_size() as u64;
    bytes / page * page
}

fn has_swap() -> bool {
    fs::read_to_string("/proc/swaps").is_ok_and(|text| text.lines().count() > 1)
}

#[cfg(test)]
mod tests;
