//! Mounts, roots, and files that are read-only or somebody else's.

use crate::attempt::{
    Attempt,
    Control::{self, Beside, Namespaces, Root},
    How::Probe,
    Kind::{Bwrap, Docker, Native, Unprivileged},
    Source::{self, Cve, Escape, Manual, Ours},
};

const fn mount(name: &'static str, source: Source, text: &'static str) -> Attempt {
    let held_by = "no capabilities, system call filter";
    Attempt::new(name, source, held_by, Probe(text, Namespaces))
}

const fn written(name: &'static str, source: Source, text: &'static str) -> Attempt {
    Attempt::new(name, source, "read-only root, landlock", Probe(text, Root))
}

const fn hidden(name: &'static str, source: Source, text: &'static str, who: Control) -> Attempt {
    Attempt::new(name, source, "mount and pid namespaces", Probe(text, who))
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    mount("mount", Cve("CVE-2021-33909"), "tmpfs()"),
    mount("bind mount", Cve("CVE-2021-30465"), "call(165, b'/usr', b'.', b'', 4096, 0)"),
    mount("remount", Cve("CVE-2014-5206"), "reach(165, 0, b'/', 0, 4096 | 32, 0)"),
    mount("umount", Cve("CVE-2014-9717"), "reach(166, b'/sys', 2)"),
    mount("overlay", Cve("CVE-2023-0386"), "overlay()"),
    mount("control groups", Cve("CVE-2022-0492"), "call(165, b'none', b'.', b'cgroup2', 0, 0)"),
    mount("pivot_root", Cve("CVE-2014-7970"), "pivot()"),
    mount("open_tree", Manual("open_tree(2)"), "call(428, -100, b'/usr', 1)"),
    mount("move_mount", Manual("move_mount(2)"), "reach(429, -1, b'', -1, b'', 4)"),
    mount("mount_setattr", Manual("mount_setattr(2)"), "reach(442, -100, b'/', 0, buffer(32), 32)"),
    mount("chroot", Cve("CVE-2015-2925"), "os.chroot('/usr')"),
    mount(
        "chroot in a chroot",
        Escape("How to break out of a chroot() jail, Simon Burr"),
        "break_out()",
    ),
    written("writing to a program", Cve("CVE-2016-5195"), "open(PROGRAM, 'r+b')"),
    written("mode of a program", Ours, "os.chmod(PROGRAM, os.stat(PROGRAM).st_mode)"),
    written("file in /", Ours, "vanish('/')"),
    written("file in /usr", Ours, "vanish('/usr')"),
    written("users", Escape("MITRE ATT&CK T1136.001"), "os.open('/etc/passwd', os.O_WRONLY)"),
    written("loader's configuration", Escape("MITRE ATT&CK T1574.006"), "vanish('/etc')"),
    Attempt::new(
        "capabilities of a file",
        Cve("CVE-2021-3493"),
        "no capabilities",
        Probe(
            "open('own', 'w') and os.setxattr('own', 'security.capability', \
             struct.pack('<IIIII', 0x02000001, 0x200000, 0, 0, 0))",
            Root,
        ),
    ),
    hidden("the host's file", Cve("CVE-2024-21626"), "open(SECRET).read()", Beside),
    hidden(
        "file by a descriptor's path",
        Ours,
        "open('/proc/%d/root%s' % (VICTIM, SECRET))",
        Beside,
    ),
    hidden(
        "directory of a process",
        Escape("MITRE ATT&CK T1611"),
        "os.listdir('/proc/%d/cwd' % VICTIM)",
        Beside,
    ),
    hidden("home of root", Escape("MITRE ATT&CK T1552.004"), "os.listdir('/root')", Root),
    hidden(
        "passwords",
        Escape("MITRE ATT&CK T1003.008"),
        "'$' in open('/etc/shadow').read() or open('/etc/shadow').read(1) or stop()",
        Root,
    ),
    hidden("engine's files", Ours, "os.listdir('/var/lib/dpkg') or stop()", Beside),
    hidden(
        "root of process 1",
        Escape("MITRE ATT&CK T1611"),
        "os.listdir('/proc/1/root')",
        Namespaces,
    )
    .except(&[Docker, Bwrap]),
    hidden("program of the runtime", Cve("CVE-2019-5736"), "program_of(RUNTIME)", Root),
    Attempt::new(
        "release agent",
        Cve("CVE-2022-0492"),
        "read-only or absent cgroupfs, no capabilities",
        Probe("os.open(CGROUP + '/release_agent', os.O_WRONLY)", Root),
    ),
    Attempt::new(
        "members of a cgroup",
        Manual("cgroups(7)"),
        "read-only or absent cgroupfs, no capabilities",
        Probe("os.open(CGROUP + '/cgroup.procs', os.O_WRONLY)", Root),
    ),
    Attempt::new(
        "where core dumps go",
        Cve("CVE-2022-0811"),
        "read-only /proc/sys",
        Probe("os.open('/proc/sys/kernel/core_pattern', os.O_WRONLY)", Root),
    ),
    Attempt::new(
        "magic keys",
        Cve("CVE-2025-52881"),
        "read-only /proc",
        Probe("os.open('/proc/sysrq-trigger', os.O_WRONLY)", Root),
    ),
    Attempt::new(
        "settings of memory",
        Manual("admin-guide/sysctl/vm.rst"),
        "read-only /proc/sys",
        Probe("os.open('/proc/sys/vm/drop_caches', os.O_WRONLY)", Root),
    ),
    Attempt::new(
        "settings in /sys",
        Ours,
        "read-only or absent /sys",
        Probe("os.open('/sys/kernel/mm/transparent_hugepage/enabled', os.O_WRONLY)", Root),
    ),
    Attempt::new(
        "timing of devices",
        Manual("proc(5), interrupts"),
        "masked files of /proc",
        Probe("open('/proc/interrupts').read(1) or stop()", Root),
    )
    .except(&[Native, Unprivileged, Bwrap]),
];
