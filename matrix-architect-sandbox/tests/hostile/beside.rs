//! Processes beside the sandbox, in a folder of their own and with a terminal.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use crate::probe::{self, Probes, Results};

/// Everything a namespace can be made of, but time.
const NAMESPACES: [&str; 11] = [
    "--user",
    "--map-root-user",
    "--mount",
    "--pid",
    "--mount-proc",
    "--net",
    "--ipc",
    "--uts",
    "--cgroup",
    "--fork",
    "--kill-child",
];

/// Gives the process a terminal, as an operator who starts a server has one.
const TERMINAL: &str = "
import fcntl, os, pty
os.setsid()
ours, theirs = pty.openpty()
fcntl.ioctl(theirs, 0x540e, 0)
";

/// As whoever runs the tests.
pub(crate) fn ordinary(aims: &str, probes: &Probes) -> Results {
    let program = format!("{TERMINAL}{}", probe::program(aims));
    run(Command::new("/usr/bin/python3"), &program, probes)
}

/// As root of namespaces, with somebody at the addresses that attempts ask for.
pub(crate) fn in_namespaces(aims: &str, probes: &Probes) -> Results {
    let mut unshare = Command::new("unshare");
    unshare.args(NAMESPACES).arg("/usr/bin/python3");
    let program = probe::program(aims);
    let program = format!(
        "{}{}",
        include_str!("street.py"),
        program.replacen("APART = 0", "APART = 0x20000", 1)
    );
    run(unshare, &program, probes)
}

fn run(mut python: Command, program: &str, probes: &Probes) -> Results {
    let scratch = tempfile::tempdir().unwrap();
    let script = scratch.path().join("driver");
    std::fs::write(&script, program).unwrap();
    python.arg(&script).current_dir(scratch.path()).stdin(Stdio::piped());
    let mut child = python.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(probe::lines(probes).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    probe::parsed(&String::from_utf8_lossy(&output.stdout))
}

/// A line for the shell in a folder, where it finds the secret.
pub(crate) fn shell(line: &str, folder: &Path, secret: &Path) -> Command {
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", line]).env("SECRET", secret).current_dir(folder);
    shell.stdin(Stdio::null()).stdout(Stdio::null());
    shell
}

/// Ends what a line left behind, by the numbers it wrote down.
pub(crate) fn end(folder: &Path) {
    let pids = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
    for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}
