//! Who can be reached.

use crate::attempt::{
    Attempt,
    Control::{self, Beside, Namespaces, Root, Without},
    Hosts,
    How::{Ask, Probe},
    Kind::Bwrap,
    Layer::{Landlock, Network},
    Source::{self, Cve, Escape, Ours},
};

const fn reached(name: &'static str, source: Source, text: &'static str, who: Control) -> Attempt {
    Attempt::new(name, source, "network namespace with loopback only", Probe(text, who))
}

const fn hosts(hosts: &'static [&'static str], private: &'static [&'static str]) -> Hosts {
    Hosts { hosts, private }
}

const LOCAL: &[&str] = &["allowed.test=127.0.0.1/32", "refused.test=127.0.0.1/32"];
const ALLOWED: Hosts = hosts(&["allowed.test:PORT"], LOCAL);

const fn asked(
    name: &'static str,
    source: Source,
    program: &'static str,
    allowed: Hosts,
    named: Hosts,
) -> Attempt {
    let held_by = "proxy: hosts by name and port, addresses judged once";
    // Elsewhere there is no proxy to get around.
    Attempt::new(name, source, held_by, Ask { program, allowed, named }).except(&[Bwrap])
}

/// Beside these, `tests/egress` asks the proxy alone: a name whose address changes between check
/// and connection (`a_name_is_looked_up_once_for_check_and_connection`), private, mapped and
/// translated addresses (`an_allowed_name_at_a_private_address_is_refused`), addresses in disguise
/// (`an_address_is_a_host_only_where_it_was_named_as_such`), smuggled requests (`exchanges`).
pub(crate) const ATTEMPTS: &[Attempt] = &[
    reached(
        "host's loopback",
        Cve("CVE-2020-8558"),
        "connect('127.0.0.1', PORT)",
        Without(&[Network]),
    ),
    reached(
        "host's loopback over IPv6",
        Ours,
        "connect('::ffff:127.0.0.1', PORT, socket.AF_INET6)",
        Without(&[Network]),
    ),
    reached(
        "metadata service",
        Escape("MITRE ATT&CK T1552.005"),
        "connect('169.254.169.254', 80)",
        Namespaces,
    ),
    reached(
        "metadata service over IPv6",
        Escape("MITRE ATT&CK T1552.005"),
        "connect('::ffff:169.254.169.254', 80, socket.AF_INET6)",
        Namespaces,
    ),
    reached(
        "engine by its bridge",
        Cve("CVE-2025-9074"),
        "connect('172.17.0.1', 2375)",
        Namespaces,
    ),
    reached(
        "machines of the local network",
        Escape("MITRE ATT&CK T1046"),
        "connect('10.0.0.1', 22)",
        Namespaces,
    ),
    reached("names as a channel", Cve("CVE-2024-29018"), "ask('10.0.0.1')", Namespaces),
    Attempt::new(
        "abstract socket",
        Cve("CVE-2020-15257"),
        "network namespace, landlock",
        Probe("socket.socket(1, 1).connect('\\0' + ABSTRACT)", Without(&[Network, Landlock])),
    ),
    Attempt::new(
        "socket of an agent",
        Escape("MITRE ATT&CK T1563.001"),
        "mount namespace",
        Probe("socket.socket(1, 1).connect(SOCKET)", Beside),
    ),
    Attempt::new(
        "engine's socket",
        Escape("MITRE ATT&CK T1610"),
        "mount namespace",
        Probe("socket.socket(1, 1).connect('/var/run/docker.sock')", Root),
    ),
    asked(
        "host that is not on the list",
        Escape("MITRE ATT&CK T1567"),
        "get('http://refused.test:PORT/')",
        ALLOWED,
        hosts(&["refused.test:PORT"], LOCAL),
    ),
    asked(
        "port that is not on the list",
        Ours,
        "get('http://allowed.test:OTHER/')",
        ALLOWED,
        hosts(&["allowed.test:OTHER"], LOCAL),
    ),
    asked(
        "address instead of a name",
        Escape("MITRE ATT&CK T1090"),
        "get('http://127.0.0.1:PORT/')",
        ALLOWED,
        hosts(&["127.0.0.1:PORT"], &["127.0.0.1=127.0.0.1/32"]),
    ),
    asked(
        "tunnel to an address",
        Escape("MITRE ATT&CK T1572"),
        "tunnel('127.0.0.1', PORT)",
        ALLOWED,
        hosts(&["127.0.0.1:PORT"], &["127.0.0.1=127.0.0.1/32"]),
    ),
    asked(
        "name that turned private",
        Cve("CVE-2018-5702"),
        "get('http://allowed.test:PORT/')",
        hosts(&["allowed.test:PORT"], &[]),
        ALLOWED,
    ),
];
