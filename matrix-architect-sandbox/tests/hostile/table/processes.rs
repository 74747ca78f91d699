//! Other processes, more rights, and outliving the command.

use crate::attempt::{
    Attempt,
    Control::{self, Beside, Namespaces, Root},
    How::{Bound, Outlive, Probe},
    Kind::{Bwrap, Native, Unprivileged},
    Source::{self, Cve, Escape, Manual, Ours},
};
use matrix_architect_core::traits::ExitVerdict::TimedOut;
use std::time::Duration;

const fn foreign(name: &'static str, source: Source, text: &'static str) -> Attempt {
    Attempt::new(name, source, "pid namespace", Probe(text, Beside))
}

const fn right(
    name: &'static str,
    source: Source,
    held_by: &'static str,
    text: &'static str,
    control: Control,
) -> Attempt {
    Attempt::new(name, source, held_by, Probe(text, control))
}

const fn daemon(name: &'static str, source: Source, line: &'static str) -> Attempt {
    Attempt::new(name, source, "pid namespace, cgroup.kill", Outlive(line))
}

const fn late(name: &'static str, source: Source, line: &'static str) -> Attempt {
    let how = Bound {
        line,
        tight: |limits| limits.wall(Duration::from_millis(700)),
        wide: |limits| limits.wall(Duration::from_mins(1)),
        told: &[TimedOut],
    };
    Attempt::new(name, source, "SIGKILL by the host's clock", how)
}

/// What a daemon does: say who it is, and beat.
macro_rules! beats {
    ($before:literal, $after:literal) => {
        concat!(
            "cat > daemon <<'END'\n",
            "echo $$ >> pids\nwhile :; do : > beat; sleep 0.02; done\nEND\n",
            $before,
            "\nwhile ! test -e beat; do sleep 0.01; done\n",
            $after
        )
    };
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    foreign("a host's process", Ours, "os.stat('/proc/%d' % VICTIM)"),
    foreign("signal to the host", Escape("MITRE ATT&CK T1489"), "os.kill(VICTIM, 0)"),
    foreign("tracing the host", Cve("CVE-2019-13272"), "call(101, 0x4206, VICTIM, 0, 0)"),
    foreign("reading another's memory", Escape("MITRE ATT&CK T1055.008"), "foreign_memory(310)"),
    foreign("writing another's memory", Escape("MITRE ATT&CK T1055"), "foreign_memory(311)"),
    foreign("another's descriptor", Manual("pidfd_getfd(2)"), "foreign_descriptor()"),
    foreign("another's priority", Manual("setpriority(2)"), "os.setpriority(0, VICTIM, 19)"),
    foreign("another's limits", Manual("prlimit(2)"), "call(302, VICTIM, 4, 0, buffer(16))"),
    right(
        "becoming root",
        Cve("CVE-2018-18955"),
        "no capabilities, a user namespace of one user",
        "os.setuid(0) if os.getuid() else os.setresuid(0, 12345, 0)",
        Root,
    ),
    right(
        "another group",
        Cve("CVE-2022-36109"),
        "no capabilities, setgroups denied",
        "os.setgroups([0])",
        Root,
    ),
    right(
        "capabilities that were inherited",
        Cve("CVE-2022-24769"),
        "all sets are empty",
        "capable()",
        Root,
    ),
    right(
        "programs that make root",
        Cve("CVE-2021-4034"),
        "no new privileges",
        "libc.prctl(39, 0, 0, 0, 0) and stop()",
        Beside,
    ),
    right(
        "more open files",
        Manual("getrlimit(2)"),
        "hard limits, no capabilities",
        "call(302, 0, 7, struct.pack('QQ', 2048, 2048), 0)",
        Beside,
    ),
    right(
        "core dumps",
        Cve("CVE-2022-0811"),
        "hard limits, no capabilities",
        "call(302, 0, 4, struct.pack('QQ', 1 << 20, 1 << 20), 0)",
        Beside,
    ),
    right(
        "real-time scheduling",
        Manual("sched(7)"),
        "RLIMIT_RTPRIO, no capabilities",
        "os.sched_setscheduler(0, 1, os.sched_param(1))",
        Root,
    ),
    right(
        "higher priority",
        Manual("nice(2)"),
        "RLIMIT_NICE, no capabilities",
        "os.nice(-5)",
        Root,
    ),
    right(
        "being spared when memory is short",
        Manual("proc(5), oom_score_adj"),
        "no capabilities",
        "os.write(os.open('/proc/self/oom_score_adj', os.O_WRONLY), b'-900')",
        Root,
    ),
    right(
        "more memory that is never swapped",
        Manual("mlock(2)"),
        "RLIMIT_MEMLOCK, no capabilities",
        "locked(64 << 20)",
        Root,
    ),
    right(
        "tracing by another",
        Cve("CVE-2019-13272"),
        "system call filter",
        "call(101, 0, 0, 0, 0)",
        Control::Without(&[crate::attempt::Layer::Seccomp]),
    )
    // Debuggers are allowed there: within the pid namespace and among equals.
    .except(&[Native, Unprivileged, Bwrap]),
    right(
        "a namespace's own clock",
        Manual("time_namespaces(7)"),
        "no capabilities, system call filter",
        "call(272, 0x80) or os.open('/proc/self/timens_offsets', os.O_WRONLY)",
        Namespaces,
    ),
    daemon("daemon", Escape("MITRE ATT&CK T1543"), beats!("setsid sh daemon &", "")),
    daemon(
        "daemon of a daemon",
        Escape("Advanced Programming in the UNIX Environment, W. R. Stevens: daemons fork twice"),
        beats!("setsid sh -c 'setsid sh daemon & exit' &", ""),
    ),
    daemon(
        "daemon that ignores signals",
        Escape("MITRE ATT&CK T1564.011"),
        beats!("(trap '' HUP TERM INT; exec setsid sh daemon >/dev/null 2>&1) &", ""),
    ),
    daemon(
        "daemon that outlives a killed command",
        Ours,
        beats!("setsid sh daemon &", "kill -KILL $$"),
    ),
    daemon(
        "daemon without the output",
        Ours,
        beats!("setsid sh daemon >&- 2>&- <&- &", "exec >&- 2>&-"),
    ),
    daemon(
        "many daemons",
        Ours,
        beats!("for i in 1 2 3 4 5 6 7 8; do setsid sh daemon & done", ""),
    ),
    late("sleeping", Ours, "sleep 2"),
    late("ignoring every signal", Ours, "trap '' TERM INT HUP; sleep 2; exit 0"),
    late(
        "stopping itself",
        Manual("signal(7)"),
        "(sleep 2; kill -CONT $$) & kill -STOP $$; exit 0",
    ),
    late(
        "silent and blocked",
        Ours,
        "exec >&- 2>&-; mkfifo pipe; (sleep 2; : > pipe) & read x < pipe; exit 0",
    ),
    right(
        "killing what watches",
        Manual("pid_namespaces(7)"),
        "pid namespace: its first process takes no signal from inside",
        "kill_for_good(WATCHER)",
        Beside,
    ),
];
