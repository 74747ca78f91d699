//! Files that are prepared for whoever takes them out. Lines find the place of the host's secret in
//! `$SECRET`; a daemon that must be ended writes its number to `pids`.

use crate::attempt::{
    Attempt,
    How::Collect,
    Sign::{self, Broke, Hung, Secret, SecretInARace, SetUid, Special, TooMuch},
    Source::{self, Cve, Escape, Manual, Ours},
};

const fn left(
    name: &'static str,
    source: Source,
    line: &'static str,
    patterns: &'static [&'static str],
    sign: Sign,
) -> Attempt {
    let held_by = "names are opened beneath the tree, links are never followed";
    Attempt::new(name, source, held_by, Collect { line, patterns, sign })
}

const fn bounded(
    name: &'static str,
    source: Source,
    line: &'static str,
    patterns: &'static [&'static str],
    sign: Sign,
) -> Attempt {
    let held_by = "plain files and links only, as many and as large as was asked for";
    Attempt::new(name, source, held_by, Collect { line, patterns, sign })
}

pub(crate) const ATTEMPTS: &[Attempt] = &[
    left("link to the host", Cve("CVE-2018-1002100"), "ln -s $SECRET loot", &["loot"], Secret),
    left(
        "link to the host by a glob",
        Cve("CVE-2019-18466"),
        "mkdir dist && ln -s $SECRET dist/loot",
        &["dist/*"],
        Secret,
    ),
    left(
        "link up and up",
        Cve("CVE-2007-4559"),
        "ln -s ../../../../../../../../../..$SECRET loot",
        &["loot"],
        Secret,
    ),
    left(
        "directory that is a link",
        Cve("CVE-2017-1002101"),
        "ln -s ${SECRET%/*} dist",
        &["dist/secret"],
        Secret,
    ),
    left(
        "link to a link",
        Cve("CVE-2019-1002101"),
        "ln -s ${SECRET%/*} a && mkdir dist && ln -s ../a/secret dist/loot",
        &["dist/loot"],
        Secret,
    ),
    left("link to a root", Escape("MITRE ATT&CK T1611"), "ln -s / all", &["all$SECRET"], Secret),
    left(
        "link to a process's root",
        Cve("CVE-2014-6407"),
        "ln -s /proc/self/root all",
        &["all$SECRET"],
        Secret,
    ),
    left(
        "link to a process's directory",
        Cve("CVE-2024-21626"),
        "ln -s /proc/self/cwd/../../../../../../..$SECRET loot",
        &["loot"],
        Secret,
    ),
    left(
        "pattern that leads up",
        Cve("CVE-2018-1002100"),
        "true",
        &["../../../../../../..$SECRET"],
        Secret,
    ),
    left("pattern from the root", Ours, "true", &["$SECRET"], Secret),
    left(
        "hard link to the host's file",
        Cve("CVE-2014-6407"),
        "ln $SECRET loot 2>/dev/null; true",
        &["loot"],
        Secret,
    ),
    left(
        "link exchanged for a file",
        Cve("CVE-2018-15664"),
        "printf innocent > real && ln -s $SECRET link && cp real loot && \
         (exec setsid python3 -I -c 'import os\nopen(\"pids\", \"w\").write(str(os.getpid()))\n\
         while 1:\n  os.link(\"link\", \"t\", follow_symlinks=False); os.rename(\"t\", \"loot\")\n  \
         os.link(\"real\", \"t\"); os.rename(\"t\", \"loot\")') </dev/null >/dev/null 2>&1 & sleep 0.2",
        &["loot"],
        SecretInARace,
    ),
    left(
        "directory exchanged for a link",
        Cve("CVE-2021-30465"),
        "mkdir real && printf innocent > real/secret && ln -s ${SECRET%/*} link && \
         (exec setsid python3 -I -c 'import ctypes, os\nopen(\"pids\", \"w\").write(str(os.getpid()))\n\
         libc = ctypes.CDLL(None)\nwhile 1: libc.renameat2(-100, b\"real\", -100, b\"link\", 2)') \
         </dev/null >/dev/null 2>&1 & sleep 0.2",
        &["real/secret", "link/secret"],
        SecretInARace,
    ),
    bounded(
        "files that make root",
        Cve("CVE-2021-41103"),
        "touch loot && chmod 6755 loot",
        &["loot"],
        SetUid,
    ),
    bounded("pipe that nobody writes to", Manual("fifo(7)"), "mkfifo loot", &["loot"], Hung),
    bounded(
        "socket",
        Ours,
        "exec python3 -I -c 'import socket; socket.socket(1).bind(\"loot\")'",
        &["loot"],
        Special,
    ),
    bounded(
        "name that is no text",
        Manual("path_resolution(7)"),
        "exec python3 -I -c 'open(b\"loot\\xff\\xfe\", \"w\")'",
        &["**"],
        Broke,
    ),
    bounded(
        "directories without end",
        Cve("CVE-2021-3997"),
        "exec python3 -I -c 'import os\nfor _ in range(4096): os.mkdir(\"d\"); os.chdir(\"d\")'",
        &["**"],
        Broke,
    ),
    bounded(
        "hole that is taken for a gigabyte",
        Escape("MITRE ATT&CK T1499"),
        "exec python3 -I -c 'import os; os.truncate(os.open(\"loot\", 66), 1 << 30)'",
        &["loot"],
        TooMuch,
    ),
    bounded(
        "more files than were asked for",
        Ours,
        "exec python3 -I -c 'for n in range(3000): open(str(n), \"w\")'",
        &["**"],
        TooMuch,
    ),
];
