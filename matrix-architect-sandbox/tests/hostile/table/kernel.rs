//! System calls that no build needs. Numbers are those of `x86_64`.

use crate::attempt::{
    Attempt,
    Control::{Beside, Impossible, Namespaces, Root, Without},
    How::Probe,
    Kind::{Bwrap, Docker},
    Layer::Seccomp,
    Source::{Cve, Escape, Manual, Ours},
};

const FILTER: &str = "system call filter";
const FILTER_AND_CAPABILITIES: &str = "system call filter, no capabilities";

const fn denied(name: &'static str, source: crate::attempt::Source, text: &'static str) -> Attempt {
    Attempt::new(name, source, FILTER, Probe(text, Without(&[Seccomp])))
}

const fn privileged(
    name: &'static str,
    source: crate::attempt::Source,
    text: &'static str,
    control: crate::attempt::Control,
) -> Attempt {
    Attempt::new(name, source, FILTER_AND_CAPABILITIES, Probe(text, control))
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    denied("io_uring", Cve("CVE-2022-29582"), "call(425, 4, buffer(120))"),
    denied("buffers of io_uring", Cve("CVE-2023-2598"), "reach(427, -1, 0, 0, 0)"),
    denied("session keyring", Cve("CVE-2016-0728"), "call(250, 1, 0)"),
    denied("add_key", Cve("CVE-2017-15274"), "call(248, b'user', b'architect', b'x', 1, -1)"),
    denied("request_key", Manual("request_key(2)"), "reach(249, b'user', b'none', 0, 0)"),
    privileged(
        "map of bpf",
        Cve("CVE-2021-3490"),
        "call(321, 0, struct.pack('IIIIQQQQQ', 2, 4, 4, 1, 0, 0, 0, 0, 0), 48)",
        Root,
    ),
    privileged("program of bpf", Cve("CVE-2017-16995"), "reach(321, 5, buffer(128), 128)", Root),
    denied(
        "perf",
        Cve("CVE-2013-2094"),
        "call(298, buffer(struct.pack('IIQQQQQ', 1, 112, 0, 0, 0, 0, 0x60), 112), 0, -1, -1, 0)",
    ),
    denied("userfaultfd", Cve("CVE-2018-18397"), "call(323, 1)"),
    denied("local descriptor table", Cve("CVE-2017-17053"), "call(154, 0, buffer(16), 16)"),
    denied("mapping of page zero", Cve("CVE-2009-1895"), "call(135, 0x0100000)"),
    denied("readable means executable", Manual("personality(2)"), "call(135, 0x0400000)"),
    denied("fixed addresses", Manual("personality(2)"), "call(135, 0x0040000)"),
    denied("x32 entry", Cve("CVE-2014-0038"), "x32()"),
    // A filter that takes a layer away ends that entry by itself.
    Attempt::new("i386 entry", Cve("CVE-2007-4573"), FILTER, Probe("i386()", Beside)),
    denied(
        "clone3, whose flags no filter can read",
        Manual("clone3(2), seccomp(2)"),
        "call(435, struct.pack('QQQQQQQQ', 0, 0, 0, 0, 17, 0, 0, 0), 64) or os._exit(0)",
    ),
    denied("kcmp", Manual("kcmp(2)"), "call(312, os.getpid(), os.getpid(), 0, 0, 0)"),
    denied("watching a file system", Manual("fanotify_init(2)"), "call(300, 0x200, 0)"),
    denied("fsconfig", Cve("CVE-2021-4154"), "reach(431, -1, 99, 0, 0, 0)"),
    privileged("fsopen", Cve("CVE-2022-0185"), "call(430, b'tmpfs', 0)", Namespaces),
    Attempt::new(
        "user namespace",
        Cve("CVE-2018-18955"),
        "system call filter, user.max_user_namespaces",
        Probe("call(272, 0x10000000)", Beside),
    ),
    Attempt::new(
        "user namespace with the file system of outside",
        Cve("CVE-2013-1858"),
        "system call filter, user.max_user_namespaces",
        Probe("call(56, 0x10000011, 0, 0, 0, 0) or os._exit(0)", Beside),
    ),
    privileged("mount namespace", Cve("CVE-2021-33909"), "call(272, 0x20000)", Namespaces),
    privileged("network namespace", Cve("CVE-2022-25636"), "call(272, 0x40000000)", Namespaces),
    privileged("time namespace", Manual("time_namespaces(7)"), "call(272, 0x80)", Namespaces),
    privileged(
        "cgroup namespace",
        Manual("cgroup_namespaces(7)"),
        "call(272, 0x2000000)",
        Namespaces,
    ),
    privileged(
        "clone into namespaces",
        Manual("clone(2)"),
        "call(56, 0x20000011, 0, 0, 0, 0) or os._exit(0)",
        Namespaces,
    ),
    privileged(
        "entering a namespace",
        Escape("MITRE ATT&CK T1611"),
        "call(308, os.open('/proc/self/ns/uts', 0), 0)",
        Namespaces,
    ),
    // What the filter of Flatpak compared in 64 bits and the kernel reads in 32.
    denied("typing into a terminal", Cve("CVE-2016-2779"), "terminal(0x5412)").except(&[Docker]),
    denied(
        "typing, with more bits than the kernel reads",
        Cve("CVE-2019-10063"),
        "terminal((1 << 32) | 0x5412)",
    )
    .except(&[Docker]),
    denied("console selection", Cve("CVE-2023-28100"), "terminal(0x541c)").except(&[Docker]),
    privileged("kernel log", Manual("syslog(2)"), "call(103, 3, buffer(64), 64)", Root),
    privileged("kernel module", Escape("MITRE ATT&CK T1547.006"), "reach(175, b'', 0, b'')", Root),
    privileged("another kernel", Manual("kexec_load(2)"), "reach(246, 0, 0, 0, 0xffff)", Root),
    privileged(
        "restart of the machine",
        Escape("MITRE ATT&CK T1529"),
        "reach(169, 1, 2, 0, 0)",
        Namespaces,
    ),
    privileged("swap", Manual("swapoff(2)"), "reach(168, b'/nonexistent')", Root),
    privileged("process accounting", Manual("acct(2)"), "reach(163, b'/nonexistent')", Root),
    privileged("ports of devices", Cve("CVE-2003-0246"), "call(173, 0x80, 1, 1)", Root),
    Attempt::new(
        "the machine's clock",
        Manual("adjtimex(2)"),
        "no capabilities",
        Probe("reach(159, buffer(struct.pack('I', 0x4000), 208))", Root),
    ),
    privileged("host name", Manual("sethostname(2)"), "call(170, b'owned', 5)", Namespaces),
    privileged(
        "file by its handle",
        Escape("shocker.c, Sebastian Krahmer 2014"),
        "shocker()",
        Root,
    ),
    denied("handle of a file", Escape("shocker.c, Sebastian Krahmer 2014"), "handle()"),
    Attempt::new(
        "addresses of the kernel",
        Manual("kptr_restrict, admin-guide/sysctl/kernel.rst"),
        "masked file of /proc",
        Probe("open('/proc/kallsyms').read(8) or stop()", Beside),
    )
    .except(&[Bwrap]),
    Attempt::new(
        "segment of shared memory that nobody counts",
        Manual("shmget(2)"),
        "bounds of the ipc namespace, or the cgroup",
        Probe("call(31, call(29, 0, 1 << 33, 0o1600), 0, 0)", Beside),
    )
    // It is counted when it is touched: commands there are always in a memory cgroup.
    .except(&[Bwrap, Docker]),
    denied("calls yet to come", Ours, "call(500)").impossible(),
];

impl Attempt {
    /// The kernel has not got them either.
    const fn impossible(mut self) -> Self {
        self.how = Probe("call(500)", Impossible("no kernel has such a call yet"));
        self
    }
}
