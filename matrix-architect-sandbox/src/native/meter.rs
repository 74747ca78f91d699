//! What a running command has used, where the kernel holds no limit on it.

use std::os::fd::{AsFd as _, OwnedFd};

use rustix::fs::{Mode, OFlags};

use super::{
    fault::{Fault, Step as _},
    root::Scratch,
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
    /// `/proc` of the session, in which only the session's processes are.
    Processes(OwnedFd),
}

impl Meter {
    pub(super) fn new(cgroup: Option<OwnedFd>, run: &RunRequest) -> Result<Self, Fault> {
        let (cpu_cap, memory_cap) = (run.cpu_micros, run.memory);
        let source = match cgroup {
            Some(meter) => Source::Cgroup(meter),
            None => Source::Processes(
                rustix::fs::open(
                    "/proc",
                    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                    Mode::empty(),
                )
                .step("opening the session's /proc")?,
            ),
        };
        Ok(Self { cpu_cap, memory_cap, source, cpu: 0, ended: Ended::default() })
    }

    /// Looks once.
    pub(super) fn look(&mut self, scratch: &Scratch) {
        self.ended.disk_full |= scratch.is_full();
        let seen = match &self.source {
            Source::Cgroup(meter) => Seen { micros: cgroup_micros(meter), ..Seen::default() },
            Source::Processes(proc) => sum_processes(proc),
        };
        self.ended.peak_memory = self.ended.peak_memory.max(seen.memory);
        self.ended.most_processes = self.ended.most_processes.max(seen.threads);
        self.cpu = self.cpu.max(seen.micros);
        self.ended.cpu_exceeded |= self.cpu_cap > 0 && seen.micros > self.cpu_cap;
        self.ended.memory_exceeded |= self.memory_cap > 0 && seen.memory > self.memory_cap;
    }

    /// Whether a bound that we hold ourselves was crossed.
    pub(super) fn is_exceeded(&self) -> bool {
        self.ended.cpu_exceeded || self.ended.memory_exceeded
    }

    /// Adds what was seen to what the command said.
    pub(super) fn conclude(&self, ended: &mut Ended) {
        ended.cpu_exceeded = self.ended.cpu_exceeded;
        ended.memory_exceeded = self.ended.memory_exceeded;
        ended.disk_full = self.ended.disk_full;
        // The kernel forgets the time of what it kills with its pid namespace.
        ended.user_micros += self.cpu.saturating_sub(ended.user_micros + ended.system_micros);
        ended.most_processes = ended.most_processes.max(self.ended.most_processes);
        ended.peak_memory = ended.peak_memory.max(self.ended.peak_memory);
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

/// What one look found.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    micros: u64,
    memory: u64,
    threads: u32,
}

/// Sums over all processes in this `/proc` but the session's first and the command's own pid 1.
/// Memory that processes share is counted once, at the size of the largest sharer.
fn sum_processes(proc: &OwnedFd) -> Seen {
    let Ok(entries) = rustix::fs::Dir::read_from(proc) else { return Seen::default() };
    let mut seen = Seen::default();
    let (mut ticks, mut shared) = (0, 0);
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy();
        if name == "1" || !name.bytes().all(|byte| byte.is_ascii_digit()) {
            continue;
        }
        let stat = read_at(proc, &format!("{name}/stat"));
        // The command's name is in parentheses and may hold anything, so columns count from there.
        let stat = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        // Own and waited-for children's user and system time.
        ticks += (11..15).map(|column| nth_number(stat, column)).sum::<u64>();
        seen.threads += u32::try_from(nth_number(stat, 17)).unwrap_or(0);
        let statm = read_at(proc, &format!("{name}/statm"));
        let pages = |column| nth_number(&statm, column) * rustix::param::page_size() as u64;
        seen.memory += pages(1).saturating_sub(pages(2));
        shared = shared.max(pages(2));
    }
    seen.threads = seen.threads.saturating_sub(1);
    seen.memory += shared;
    seen.micros = ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
    seen
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
