//! What a command could find of whoever runs the sandbox.

use crate::attempt::{
    Attempt,
    Control::{self, Beside, Namespaces, Root, Without},
    How::Probe,
    Kind::{Bwrap, Docker},
    Layer::{CgroupView, HostName, Ipc, Landlock},
    Source::{self, Cve, Escape, Manual, Ours},
};

const fn leak(
    name: &'static str,
    source: Source,
    held_by: &'static str,
    text: &'static str,
    control: Control,
) -> Attempt {
    Attempt::new(name, source, held_by, Probe(text, control))
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    leak(
        "inherited descriptor",
        Cve("CVE-2016-9962"),
        "descriptors are closed before the command",
        "any(is_open(fd) and os.read(fd, 1) for fd in range(600, 720) if fd != 701) or stop()",
        Beside,
    ),
    leak(
        "inherited directory",
        Cve("CVE-2024-21626"),
        "descriptors are closed before the command",
        "os.listdir('/proc/self/fd/701') or stop()",
        Beside,
    ),
    leak(
        "environment",
        Cve("CVE-2021-21334"),
        "an environment of what was given",
        "os.environ['CARGO_MANIFEST_DIR']",
        Beside,
    ),
    leak(
        "environment of a host's process",
        Escape("MITRE ATT&CK T1003.007"),
        "pid namespace, fresh /proc",
        "b'TOKEN' in open('/proc/%d/environ' % VICTIM, 'rb').read() or stop()",
        Beside,
    ),
    leak(
        "command line of a host's process",
        Escape("MITRE ATT&CK T1057"),
        "pid namespace, fresh /proc",
        "any(b'31536000' in command_line(pid) for pid in os.listdir('/proc')) or stop()",
        Beside,
    ),
    leak(
        "environment of process 1",
        Escape("MITRE ATT&CK T1003.007"),
        "pid namespace, hidden processes",
        "b'=' in open('/proc/1/environ', 'rb').read() or stop()",
        Namespaces,
    )
    .except(&[Docker, Bwrap]),
    leak(
        "memory of process 1",
        Escape("MITRE ATT&CK T1055.009"),
        "pid namespace, hidden processes",
        "open('/proc/1/mem', 'rb')",
        Namespaces,
    )
    .except(&[Docker, Bwrap]),
    leak(
        "memory of a host's process",
        Escape("MITRE ATT&CK T1003.007"),
        "pid namespace, fresh /proc",
        "open('/proc/%d/mem' % VICTIM, 'rb')",
        Beside,
    ),
    leak(
        "host's name",
        Escape("MITRE ATT&CK T1082"),
        "uts namespace",
        "socket.gethostname() == HOST or stop()",
        Without(&[HostName]),
    ),
    leak(
        "host's segment of shared memory",
        Manual("sysvipc(7)"),
        "ipc namespace",
        "call(29, SEGMENT, 0, 0)",
        Without(&[Ipc]),
    ),
    leak(
        "host's message queue",
        Manual("mq_overview(7)"),
        "ipc namespace",
        "call(240, QUEUE, 0)",
        Without(&[Ipc, Landlock]),
    ),
    leak(
        "host's shared memory by name",
        Manual("shm_overview(7)"),
        "mount namespace",
        "open('/dev/shm/' + SHARED).read(1) or stop()",
        Beside,
    ),
    leak(
        "names of the host's cgroups",
        Manual("cgroup_namespaces(7)"),
        "cgroup namespace",
        "one_name('/proc/self/cgroup')",
        Without(&[CgroupView]),
    )
    // There the namespace is made before the command can be put into groups, whose names are ours.
    .except(&[Bwrap]),
    leak(
        "temporary files of others",
        Escape("MITRE ATT&CK T1552.001"),
        "mount namespace, private /tmp",
        "os.path.basename(SECRET) in os.listdir(os.path.dirname(SECRET)) or stop()",
        Beside,
    ),
    leak(
        "history of a shell",
        Escape("MITRE ATT&CK T1552.003"),
        "mount namespace, a home of its own",
        "open(next(f.path for f in os.scandir('/root') if f.is_file() and f.name[0] == '.'))",
        Root,
    ),
    leak(
        "the program that runs us",
        Ours,
        "mount namespace",
        "open(SERVER, 'rb').read(1) or stop()",
        Beside,
    ),
];
