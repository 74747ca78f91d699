//! Proves each layer and limit of bubblewrap, and says what to do about those that do not hold.

use std::time::Duration;

use matrix_architect_core::{
    error::{Error, Result},
    id::SessionId,
    traits::{Cancel, Command, Enforcement, LimitReport, Session as _, SessionSpec},
};

use super::{config::BwrapConfig, sandbox::BwrapSandbox, session::BwrapSession};
use crate::common::{Check, SESSIONS, checks, closed_by, report};

/// Runs a command that looks at every layer from inside, and tries the limits for real.
///
/// ```no_run
/// # async fn example() {
/// use matrix_architect_sandbox::bwrap::{BwrapConfig, doctor};
///
/// for check in doctor(&BwrapConfig::in_directory("/var/lib/architect/sessions")).await {
///     assert!(check.ok, "{}: {}; {}", check.layer, check.detail, check.remedy);
/// }
/// # }
/// ```
pub async fn doctor(config: &BwrapConfig) -> Vec<Check> {
    let sandbox = match BwrapSandbox::new(config.clone()) {
        Ok(sandbox) => sandbox,
        Err(error) => return closed_by(layer(&error), &error, "read the message"),
    };
    match look(&sandbox).await {
        Ok(reports) => checks(reports, remedy),
        Err(error) => closed_by(SESSIONS, &error, "run bwrap by hand: bwrap --ro-bind / / true"),
    }
}

/// What keeps bubblewrap from being started, by name.
fn layer(error: &Error) -> &'static str {
    match error.code_str() {
        "bwrap_missing" => "program",
        _ => "directory",
    }
}

fn remedy(name: &str, enforcement: Enforcement) -> &'static str {
    match (name, enforcement) {
        (_, Enforcement::Enforced | Enforcement::PerProcess | Enforcement::Polled) => "",
        ("memory" | "processes" | "cpu_millis", _) => {
            "run as root, or under a delegated cgroup v2 (systemd-run --user -p Delegate=yes)"
        }
        ("user", _) => "raise sysctl user.max_user_namespaces",
        _ => "look whether another program stands in bubblewrap's place: bwrap --version",
    }
}

/// The namespaces that layers rest on, by the kernel's names.
const NAMESPACES: [(&str, &str); 6] = [
    ("mounts", "mnt"),
    ("processes_view", "pid"),
    ("network", "net"),
    ("ipc", "ipc"),
    ("host_name", "uts"),
    ("user", "user"),
];

const LOOK: &str = "for kind in mnt pid net ipc uts user; do \
                    echo \"$kind $(readlink /proc/self/ns/$kind)\"; done; \
                    while read -r name value; do echo \"$name $value\"; done </proc/self/status";

/// How each layer and limit is held, where what is seen inside does not speak against it.
async fn look(sandbox: &BwrapSandbox) -> Result<Vec<LimitReport>> {
    let mut spec = SessionSpec::new(SessionId::from_number(0));
    spec.limits = spec.limits.wall(Duration::from_secs(20));
    spec.allow_degraded = true;
    let session = BwrapSession::empty(sandbox.shared(), spec).await?;
    let (command, mut said) = (Command::shell(LOOK), Vec::new());
    let exit = session.run(&command, &mut said, &Cancel::new()).await?;
    let own = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).unwrap_or_default();
        link.display().to_string()
    };
    let open = open_layers(&String::from_utf8_lossy(&said), own);
    let reports = exit.enforcement.into_iter().map(|held| {
        if open.contains(&&*held.name) {
            return report(&held.name, Enforcement::Absent, "what is seen inside is the host's");
        }
        held
    });
    Ok(reports.collect())
}

/// The layers that do not hold by what was seen inside; `own` names a namespace of this process.
fn open_layers(said: &str, own: impl Fn(&str) -> String) -> Vec<&'static str> {
    let seen = |name: &str| {
        let mut lines = said.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value.trim())
    };
    let shared = |kind: &str| seen(kind).is_empty() || seen(kind) == own(kind);
    let mut open: Vec<_> =
        NAMESPACES.iter().filter(|(_, kind)| shared(kind)).map(|(layer, _)| *layer).collect();
    let is_powerless = seen("CapEff:").parse() == Ok(0_u64) && seen("NoNewPrivs:") == "1";
    if !is_powerless {
        open.push("capabilities");
    }
    if seen("Seccomp:") != "2" {
        open.push("seccomp");
    }
    open
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: &str = "mnt mnt:[2]\npid pid:[2]\nnet net:[2]\nipc ipc:[2]\nuts uts:[2]\n\
                        user user:[2]\nCapEff: 0000000000000000\nNoNewPrivs: 1\nSeccomp: 2\n";

    #[test]
    fn a_layer_that_is_the_hosts_is_open_and_no_other() {
        let own = |kind: &str| format!("{kind}:[1]");
        assert!(open_layers(HELD, own).is_empty());
        for (from, to, layer) in [
            ("net:[2]", "net:[1]", "network"),
            ("user user:[2]", "user ", "user"),
            ("CapEff: 0000000000000000", "CapEff: 00000000a80425fb", "capabilities"),
            ("NoNewPrivs: 1", "NoNewPrivs: 0", "capabilities"),
            ("Seccomp: 2", "Seccomp: 0", "seccomp"),
        ] {
            assert_eq!(open_layers(&HELD.replace(from, to), own), [layer]);
        }
        assert_eq!(open_layers("", own).len(), 8, "nothing seen proves nothing");
    }
}
