//! Taking more than was given. Every bound was read back by the sandbox before the command starts.

use std::time::Duration;

use matrix_architect_core::traits::{
    ExitVerdict::{
        self, CpuExceeded, DiskExceeded, Exited, OutOfMemory, ProcessesExceeded, Signalled,
    },
    Limits,
};

use crate::attempt::{
    Attempt, Bounds,
    How::{Bound, Flood},
    Source::{self, Cve, Escape, Manual, Ours},
};

const MIB: u64 = 1 << 20;

const fn bound(
    name: &'static str,
    source: Source,
    held_by: &'static str,
    line: &'static str,
    (tight, wide): (Bounds, Bounds),
    told: &'static [ExitVerdict],
) -> Attempt {
    Attempt::new(name, source, held_by, Bound { line, tight, wide, told })
}

const fn filled(name: &'static str, source: Source, line: &'static str) -> Attempt {
    let held_by = "bytes and inodes of the one writable space";
    // What has no name is free again as soon as the command has ended.
    bound(name, source, held_by, line, DISK, &[DiskExceeded, Exited(1)])
}

const fn flood(name: &'static str, source: Source, line: &'static str, bytes: u64) -> Attempt {
    Attempt::new(name, source, "head and tail of the output are kept", Flood { line, bytes })
}

const MEMORY: (Bounds, Bounds) =
    (|limits| limits.memory(96 * MIB), |limits| limits.memory(512 * MIB).disk(512 * MIB));
/// A process that is refused more may end by itself.
const NO_MEMORY: &[ExitVerdict] = &[OutOfMemory, Exited(1), Signalled(9)];
const PROCESSES: (Bounds, Bounds) = (|limits| limits.processes(24), |limits| limits.processes(400));
const DISK: (Bounds, Bounds) = (|limits| limits.disk(16 * MIB), |limits| limits.disk(256 * MIB));

pub(crate) const ATTEMPTS: &[Attempt] = &[
    bound(
        "memory bomb",
        Escape("MITRE ATT&CK T1499"),
        "memory cgroup, or watch and RLIMIT_DATA",
        "exec python3 -I -c 'import time; b = bytearray(b\"x\") * (200 << 20); time.sleep(1)'",
        MEMORY,
        NO_MEMORY,
    ),
    bound(
        "shared memory bomb",
        Ours,
        "memory cgroup, or watch",
        "exec python3 -I -c 'import mmap, time; m = mmap.mmap(-1, 200 << 20)\n\
         for at in range(0, 200 << 20, 4096): m[at] = 1\ntime.sleep(1)'",
        MEMORY,
        NO_MEMORY,
    ),
    bound(
        "memory bomb of many",
        Ours,
        "memory cgroup, or watch of the whole tree",
        "exec python3 -I -c 'import os, sys, time\nown = []\nfor _ in range(7):\n  pid = os.fork()\n  \
         if pid == 0: b = bytearray(b\"x\") * (30 << 20); time.sleep(1); os._exit(0)\n  \
         own.append(pid)\nsys.exit(any([os.waitpid(pid, 0)[1] for pid in own]))'",
        MEMORY,
        NO_MEMORY,
    ),
    bound(
        "fork bomb",
        Escape("MITRE ATT&CK T1499"),
        "pids cgroup, or RLIMIT_NPROC in a user namespace of its own",
        "exec python3 -I -c 'import os, sys, time\ntry:\n  for _ in range(100):\n    \
         if os.fork() == 0: time.sleep(3); os._exit(0)\nexcept OSError: time.sleep(0.5); sys.exit(1)'",
        PROCESSES,
        &[ProcessesExceeded],
    ),
    bound(
        "thread bomb",
        Manual("admin-guide/cgroup-v1/pids.rst"),
        "pids cgroup, or RLIMIT_NPROC in a user namespace of its own",
        "exec python3 -I -c 'import sys, threading, time; threading.stack_size(1 << 16)\ntry:\n  for _ in range(100): \
         threading.Thread(target=time.sleep, args=[1.5], daemon=True).start()\n\
         except RuntimeError: time.sleep(0.5); sys.exit(1)'",
        PROCESSES,
        &[ProcessesExceeded, Exited(1)],
    ),
    bound(
        "dead children that nobody buries",
        Ours,
        "pids cgroup, or RLIMIT_NPROC in a user namespace of its own",
        "exec python3 -I -c 'import os, sys, time\ntry:\n  for _ in range(100):\n    \
         if os.fork() == 0: os._exit(0)\nexcept OSError: time.sleep(0.5); sys.exit(1)'",
        PROCESSES,
        &[ProcessesExceeded, Exited(1)],
    ),
    filled("filling the workspace", Cve("CVE-2020-8557"), "head -c 64M /dev/zero > big"),
    filled("filling /tmp", Manual("filesystems/tmpfs.rst"), "head -c 64M /dev/zero > /tmp/big"),
    filled(
        "filling /dev/shm",
        Manual("filesystems/tmpfs.rst"),
        "head -c 64M /dev/zero > /dev/shm/big",
    ),
    filled(
        "filling it with files that have no name",
        Ours,
        "exec 9> gone && rm gone && head -c 64M /dev/zero >&9",
    ),
    filled(
        "filling it with directories",
        Manual("filesystems/tmpfs.rst, nr_inodes"),
        "exec python3 -I -c 'import os\nfor n in range(20000): os.mkdir(str(n))'",
    ),
    filled(
        "filling it with links",
        Manual("filesystems/tmpfs.rst, nr_inodes"),
        "exec python3 -I -c 'import os\nfor n in range(20000): os.symlink(\"x\" * 100, str(n))'",
    ),
    bound(
        "one file too large",
        Manual("getrlimit(2), RLIMIT_FSIZE"),
        "RLIMIT_FSIZE",
        "exec dd if=/dev/zero of=big bs=1M count=8",
        (|limits| limits.file_size(MIB), |limits| limits.file_size(64 * MIB)),
        &[DiskExceeded, Signalled(25), Exited(1)],
    ),
    bound(
        "hole of a gigabyte",
        Manual("truncate(2)"),
        "RLIMIT_FSIZE",
        "exec python3 -I -c 'import os; os.truncate(os.open(\"hole\", 66), 1 << 30)'",
        (|limits| limits.file_size(MIB), |limits| limits.file_size(2 << 30)),
        &[DiskExceeded, Signalled(25), Exited(1)],
    ),
    bound(
        "all file descriptors",
        Manual("getrlimit(2), RLIMIT_NOFILE"),
        "RLIMIT_NOFILE",
        "exec python3 -I -c 'import os; own = [os.dup(0) for _ in range(400)]'",
        (|limits| open_files(limits, 64), |limits| open_files(limits, 1024)),
        &[Exited(1)],
    ),
    bound(
        "mining on every processor",
        Escape("MITRE ATT&CK T1496"),
        "CPU time of the tree, RLIMIT_CPU",
        "exec python3 -I -c 'import os, time\nown = [os.fork() for _ in range(2)]\n\
         while time.process_time() < 0.9: pass\nown[0] and os.wait() and own[1] and os.wait()'",
        (|limits| limits.cpu(Duration::from_secs(1)), |limits| limits.cpu(Duration::from_mins(1))),
        &[CpuExceeded],
    ),
    flood("flood of output", Cve("CVE-2022-31030"), "head -c 24M /dev/zero", 24 << 20),
    flood("flood of errors", Cve("CVE-2022-1708"), "head -c 24M /dev/zero >&2", 24 << 20),
    flood("flood of lines", Ours, "head -c 8M /dev/zero | tr '\\0' '\\n'", 8 << 20),
];

fn open_files(mut limits: Limits, count: u32) -> Limits {
    limits.open_files = count;
    limits
}
