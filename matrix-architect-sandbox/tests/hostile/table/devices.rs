//! Devices.

use crate::attempt::{
    Attempt,
    Control::{Beside, Root},
    How::Probe,
    Source::{self, Cve, Escape, Manual, Ours},
};

const fn device(name: &'static str, source: Source, text: &'static str) -> Attempt {
    Attempt::new(name, source, "private /dev, device cgroup, no capabilities", Probe(text, Root))
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    device(
        "device node",
        Escape("MITRE ATT&CK T1611"),
        "os.mknod('disk', 0o60600, os.makedev(254, 0))",
    ),
    device("disk", Escape("MITRE ATT&CK T1006"), "opened(DISK)"),
    device("loop devices", Manual("loop(4)"), "opened('/dev/loop-control')"),
    device("kvm", Cve("CVE-2021-22543"), "opened('/dev/kvm')"),
    device("fuse", Manual("fuse(4)"), "opened('/dev/fuse')"),
    device("kernel messages", Manual("Documentation/ABI/testing/dev-kmsg"), "opened('/dev/kmsg')"),
    device("tunnels", Manual("networking/tuntap.rst"), "opened('/dev/net/tun', os.O_RDWR)"),
    device("vsock's addresses", Ours, "opened('/dev/vsock')"),
    device("page faults", Cve("CVE-2018-18397"), "opened('/dev/userfaultfd')"),
    device("console", Escape("MITRE ATT&CK T1056.001"), "opened('/dev/tty0')"),
    device("screen", Escape("MITRE ATT&CK T1113"), "opened('/dev/vcs1')"),
    Attempt::new(
        "terminal of whoever started us",
        Cve("CVE-2017-5226"),
        "a session of its own, no /dev/tty",
        Probe("os.open('/dev/tty', os.O_RDWR)", Beside),
    ),
    device("serial line", Ours, "opened('/dev/ttyS0', os.O_RDWR | os.O_NONBLOCK)"),
];
