//! What a running command has used, where the kernel holds no limit on it.

use std::{
    fs::File,
    io::Read as _,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::fs::{Mode, OFlags};

use super::{
    fault::{Fault, Step as _},
    root::Scratch,
    sys,
    wire::{Ended, RunRequest},
};

/// Looks at CPU time, memory and space from time to time and remembers what was crossed.
#[derive(Debug)]
pub(super) struct Meter {
    cpu_cap: u64,
    memory_cap: u64,
    source: Source,
    /// The most CPU time that was seen, in microseconds.
    cpu: u64,
    ended: Ended,
}

#[derive(Debug)]
enum Source {
    /// A cgroup's own count of CPU time.
    Cgroup(OwnedFd),
    /// `/proc` of the session, and in it the command's first process, whose descendants count; and
    /// whether the session has an ipc namespace of its own.
    Processes { proc: OwnedFd, first: libc::pid_t, has_ipc: bool },
}

impl Meter {
    /// Of a command whose CPU time a cgroup counts.
    pub(super) fn of_cgroup(meter: OwnedFd, run: &RunRequest) -> Self {
        Self::new(Source::Cgroup(meter), run)
    }

    /// Of a command that is only known by its processes.
    pub(super) fn of_processes(
        proc: &OwnedFd,
        first: libc::pid_t,
        has_ipc: bool,
        run: &RunRequest,
    ) -> Result<Self, Fault> {
        let proc = proc.try_clone().step("keeping the session's /proc")?;
        Ok(Self::new(Source::Processes { proc, first, has_ipc }, run))
    }

    fn new(source: Source, run: &RunRequest) -> Self {
        let (cpu_cap, memory_cap) = (run.cpu_micros, run.memory);
        Self { cpu_cap, memory_cap, source, cpu: 0, ended: Ended::default() }
    }

    /// Looks once.
    pub(super) fn look(&mut self, scratch: &Scratch) {
        self.ended.disk_full |= scratch.is_full();
        let mut seen = match &self.source {
            Source::Cgroup(meter) => Seen { micros: cgroup_micros(meter), ..Seen::default() },
            Source::Processes { proc, first, .. } => sum_descendants(proc, *first),
        };
        let segments = self.segments();
        // Pages that several processes share are counted for each at first. Counting them fairly
        // takes the kernel a walk over all pages, so it is asked only where it matters.
        if self.memory_cap > 0
            && seen.memory + segments > self.memory_cap
            && let Source::Processes { proc, first, .. } = &self.source
        {
            seen.memory = fair_share(proc, *first).unwrap_or(seen.memory);
        }
        seen.memory += segments;
        self.ended.peak_memory = self.ended.peak_memory.max(seen.memory);
        self.ended.most_processes = self.ended.most_processes.max(seen.threads);
        self.cpu = self.cpu.max(seen.micros);
        self.ended.cpu_exceeded |= self.cpu_cap > 0 && seen.micros > self.cpu_cap;
        self.ended.memory_exceeded |= self.memory_cap > 0 && seen.memory > self.memory_cap;
    }

    /// Memory of the session that belongs to no process. What of it a process has in its own memory,
    /// too, counts twice: nobody can tell how much that is.
    fn segments(&self) -> u64 {
        match &self.source {
            Source::Processes { proc, has_ipc: true, .. } if self.memory_cap > 0 => {
                shared_segments(proc)
            }
            _ => 0,
        }
    }

    /// Whether a bound that we hold ourselves was crossed.
    pub(super) fn is_exceeded(&self) -> bool {
        self.ended.cpu_exceeded || self.ended.memory_exceeded
    }

    /// Adds what was seen to what the command said, and what it used if it could say nothing.
    pub(super) fn conclude(&self, mut told: Ended, used: Option<sys::Used>) -> Ended {
        if let (None, Some(used)) = (told.status, used) {
            told.user_micros = used.user_micros;
            told.system_micros = used.system_micros;
            told.peak_memory = used.max_rss;
        }
        told.cpu_exceeded = self.ended.cpu_exceeded;
        told.memory_exceeded = self.ended.memory_exceeded;
        told.disk_full = self.ended.disk_full;
        // The kernel forgets the time of what it kills with its pid namespace.
        told.user_micros += self.cpu.saturating_sub(told.user_micros + told.system_micros);
        told.most_processes = told.most_processes.max(self.ended.most_processes);
        told.peak_memory = told.peak_memory.max(self.ended.peak_memory);
        told
    }
}

/// cgroup v1 `cpuacct.usage` counts nanoseconds; v2 `cpu.stat` begins with `usage_usec`.
pub(crate) fn cgroup_micros(meter: &OwnedFd) -> u64 {
    let mut text = [0_u8; 64];
    let read = rustix::io::pread(meter, &mut text, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&text[..read]);
    let mut words = text.split_ascii_whitespace();
    match words.next() {
        Some("usage_usec") => words.next().and_then(|word| word.parse().ok()).unwrap_or(0),
        Some(word) => word.parse::<u64>().unwrap_or(0) / 1000,
        None => 0,
    }
}

/// The memory of a command's processes, each shared page counted once in all.
fn fair_share(proc: &OwnedFd, first: libc::pid_t) -> Option<u64> {
    let kilobytes = |pid: &u64| {
        let text = read_at(proc, &format!("{pid}/smaps_rollup"));
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        Some(nth_number(line, 0))
    };
    let tree = descendants(&processes(proc), first);
    let shares: Vec<_> = tree.iter().filter_map(|process| kilobytes(&process.pid)).collect();
    // Processes that ended meanwhile have no share; if none has one, the file is not to be had.
    (tree.is_empty() || !shares.is_empty()).then(|| shares.iter().sum::<u64>() * 1024)
}

/// The memory of this process's ipc namespace's shared segments, which live until they are removed
/// or the session ends, whoever is attached to them.
fn shared_segments(proc: &OwnedFd) -> u64 {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut text = String::new();
    let read = rustix::fs::openat(proc, "sysvipc/shm", flags, Mode::empty())
        .map_err(std::io::Error::from)
        .and_then(|file| File::from(file).read_to_string(&mut text));
    if read.is_err() { 0 } else { sum_segments(&text) }
}

/// What is in memory and in swap (`/proc/sysvipc` of `proc(5)`), after a line of titles.
fn sum_segments(table: &str) -> u64 {
    let (resident, swapped) = (14, 15);
    let bytes = |line| nth_number(line, resident) + nth_number(line, swapped);
    table.lines().skip(1).map(bytes).sum()
}

/// What one look found.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    micros: u64,
    memory: u64,
    threads: u32,
}

/// One process of a session.
#[derive(Clone, Copy, Debug)]
struct Process {
    pid: u64,
    parent: u64,
    ticks: u64,
    threads: u64,
    pages: u64,
}

/// The descendants of a command's pid 1, without itself. Orphans are its children, so that nothing
/// of the command is missed and nothing beside it is counted.
fn descendants(processes: &[Process], first: libc::pid_t) -> Vec<Process> {
    let below = |parent: u64| processes.iter().filter(move |process| process.parent == parent);
    let mut tree: Vec<Process> = below(u64::try_from(first).unwrap_or(0)).copied().collect();
    let mut at = 0;
    while let Some(process) = tree.get(at).copied() {
        tree.extend(below(process.pid));
        at += 1;
    }
    tree
}

fn sum_descendants(proc: &OwnedFd, first: libc::pid_t) -> Seen {
    let mut seen = Seen::default();
    let mut ticks = 0;
    for process in descendants(&processes(proc), first) {
        ticks += process.ticks;
        seen.threads += u32::try_from(process.threads).unwrap_or(0);
        seen.memory += process.pages * rustix::param::page_size() as u64;
    }
    seen.micros = ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    seen
}

fn processes(proc: &OwnedFd) -> Vec<Process> {
    let Ok(entries) = rustix::fs::Dir::read_from(proc) else { return Vec::new() };
    let process = |entry: rustix::fs::DirEntry| {
        let name = entry.file_name().to_str().ok()?;
        let pid = name.parse().ok()?;
        let stat = read_at(proc, &format!("{name}/stat"));
        // The command's name is in parentheses and may hold anything, so columns count from there.
        let (_, stat) = stat.rsplit_once(')')?;
        let statm = read_at(proc, &format!("{name}/statm"));
        Some(Process {
            pid,
            parent: nth_number(stat, 1),
            // Own and waited-for children's user and system time.
            ticks: (11..15).map(|column| nth_number(stat, column)).sum(),
            threads: nth_number(stat, 17),
            pages: nth_number(&statm, 1),
        })
    };
    entries.flatten().filter_map(process).collect()
}

fn nth_number(text: &str, column: usize) -> u64 {
    text.split_ascii_whitespace().nth(column).and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn read_at(directory: &OwnedFd, path: &str) -> String {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::openat(directory.as_fd(), path, flags, Mode::empty()) else {
        return String::new();
    };
    let mut text = [0_u8; 1024];
    let read = rustix::io::read(&file, &mut text).unwrap_or(0);
    String::from_utf8_lossy(&text[..read]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_summed_by_what_they_take_and_not_by_what_they_may() {
        let table = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n\
         0          0  1600              67108864    11    12      0  1000  1000  1000  1000          1          2          3              67108864                     0\n\
        -5          1   600               8388608    11    12      1  1000  1000  1000  1000          1          2          3                  8192                  4096\n";
        assert_eq!(sum_segments(table), (64 << 20) + 12_288);
        assert_eq!(sum_segments(table.lines().next().unwrap()), 0);
    }
}
