//! What a session sees of its Pod, and what that says about each layer and limit.

use std::collections::BTreeSet;

use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{Enforcement, LimitReport, Limits},
};
use serde_json::Value;

use super::readback;
use crate::common::report;

/// What a session sees of its Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    memory: Option<u64>,
    /// The resource limits that could be set and read back.
    held: BTreeSet<String>,
    /// What is wrong with a layer, whatever the cluster says.
    flaws: Vec<(&'static str, String)>,
    network: Option<(Enforcement, String)>,
}

impl Facts {
    /// Reads what the script saw.
    ///
    /// # Errors
    /// `Invalid` if the image lacks a program that sessions need; `Unavailable` if it saw only a
    /// part.
    pub(super) fn read(text: &str, user: u32) -> Result<Self> {
        if !text.lines().any(|line| line == "end=seen") {
            return Err(Error::new(ErrorKind::Unavailable, "looking around in a Pod broke off")
                .code("connection_lost")
                .advice("open another session; look at the Pod's events if it happens again"));
        }
        let mut facts = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once('=')) {
            facts.fact(name, value, user)?;
        }
        Ok(facts)
    }

    fn fact(&mut self, name: &str, value: &str, user: u32) -> Result<()> {
        let mut flaw = |layer, is_flaw: bool, what: String| {
            if is_flaw {
                self.flaws.push((layer, what));
            }
        };
        match name {
            "memory" => self.memory = value.parse().ok(),
            "held" => self.held = value.split_whitespace().map(str::to_owned).collect(),
            "uid" => {
                flaw("user", value != user.to_string(), format!("commands run as user {value}"));
            }
            "capabilities" => {
                let none = value.bytes().all(|byte| byte == b'0');
                flaw("capabilities", !none, format!("commands have capabilities {value}"));
            }
            "no_new_privs" => {
                flaw("capabilities", value != "1", "privileges can be gained".to_owned());
            }
            "seccomp" => flaw("seccomp", value != "2", "the kernel shows no filter".to_owned()),
            "root" => flaw("mounts", value != "read-only", "the root can be written".to_owned()),
            "token" => flaw(
                "credentials",
                value != "absent",
                "a service account's token is there".to_owned(),
            ),
            "uid_map" => {
                flaw("user_namespace", value == "0", "users are those of the node".to_owned());
            }
            "lacks" => return Err(lacking(value)),
            "interfaces" | "reached" | "refused" => self.network(name, value),
            _ => {}
        }
        Ok(())
    }

    fn network(&mut self, name: &str, value: &str) {
        self.network = Some(match (name, value.trim()) {
            ("interfaces", "lo") => (Enforcement::Enforced, "no interface but loopback".to_owned()),
            ("interfaces", _) => {
                (Enforcement::Absent, "nobody tried the network policy".to_owned())
            }
            ("refused", "none") => {
                (Enforcement::Absent, "nothing in the image can try the network policy".to_owned())
            }
            ("refused", by) => (
                Enforcement::Enforced,
                format!("network policy; {by} could not reach the API server"),
            ),
            (_, by) => (
                Enforcement::Absent,
                format!("{by} reached the API server: the cluster does not hold network policies"),
            ),
        });
    }

    /// How each layer is held in a Pod that was to be `wanted` and is `found`.
    pub(super) fn layers(&self, wanted: &Value, found: &Value) -> Vec<LimitReport> {
        let mut layers = readback::layers(wanted, found);
        for layer in &mut layers {
            let flaw = self.flaws.iter().find(|(name, _)| *name == layer.name);
            if let Some((_, flaw)) = flaw.filter(|_| layer.enforcement != Enforcement::Absent) {
                layer.enforcement = Enforcement::Absent;
                layer.by.clone_from(flaw);
            }
        }
        let (held, by) =
            self.network.clone().unwrap_or((Enforcement::Absent, "nobody looked".to_owned()));
        layers.push(report("network", held, &by));
        layers
    }

    /// How the limits of a command are held, in a session with limits of its own.
    pub(super) fn limits(
        &self,
        wanted: &Value,
        found: &Value,
        session: &Limits,
        command: &Limits,
    ) -> Vec<LimitReport> {
        let kept = |resource| readback::resource_is_kept(wanted, found, resource);
        let memory = if command.memory == session.memory
            && self.memory == Some(session.memory)
            && kept("memory")
        {
            report("memory", Enforcement::Enforced, "the Pod's cgroup")
        } else {
            report("memory", Enforcement::Polled, "a watch in the Pod")
        };
        let disk = match (command.disk == session.disk, kept("ephemeral-storage")) {
            (true, true) => report("disk", Enforcement::Polled, "eviction by the kubelet"),
            (true, false) => report(
                "disk",
                Enforcement::Absent,
                "the cluster changed the limit of ephemeral-storage",
            ),
            (false, _) => report(
                "disk",
                Enforcement::Polled,
                "eviction by the kubelet, at the session's limit",
            ),
        };
        let processes = if self.holds("processes") {
            report("processes", Enforcement::Enforced, "rlimit of a user of the session's own")
        } else {
            report("processes", Enforcement::Absent, "the image's shell cannot set RLIMIT_NPROC")
        };
        let rlimits =
            [("cpu", "RLIMIT_CPU"), ("file_size", "RLIMIT_FSIZE"), ("open_files", "RLIMIT_NOFILE")];
        let rlimits = rlimits.map(|(name, by)| {
            let held = if self.holds(name) { Enforcement::PerProcess } else { Enforcement::Absent };
            report(name, held, by)
        });
        let mut reports = vec![memory, disk, processes];
        reports.extend(rlimits);
        reports.push(report("wall", Enforcement::Polled, "a deadline of ours, and the Pod's own"));
        if command.cpu_millis != 0 {
            let held = command.cpu_millis == session.cpu_millis && kept("cpu");
            let held = if held { Enforcement::Enforced } else { Enforcement::Absent };
            reports.push(report("cpu_rate", held, "the Pod's CPU limit"));
        }
        reports
    }

    fn holds(&self, limit: &str) -> bool {
        self.held.contains(limit)
    }
}

fn lacking(program: &str) -> Error {
    Error::new(ErrorKind::Invalid, "the image of sessions lacks a program")
        .code("image_incomplete")
        .context("program", program)
        .advice("use an image with sh, tar, find, xargs and dd")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: &str = "memory=268435456\npids=max\nuid=7\ncapabilities=0000000000000000\n\
        no_new_privs=1\nseccomp=2\nuid_map=100000\ninterfaces= lo\nroot=read-only\ntoken=absent\n\
        held= core cpu file_size open_files processes\nend=seen\n";

    #[test]
    fn a_pod_as_it_should_be_has_no_flaw() {
        let facts = Facts::read(SEEN, 7).unwrap();
        assert_eq!(facts.flaws, []);
        assert_eq!(facts.network.unwrap().0, Enforcement::Enforced);
        assert_eq!((facts.memory, facts.held.len()), (Some(268_435_456), 5));
    }

    #[test]
    fn what_is_seen_counts_more_than_what_the_cluster_says() {
        for (seen, instead, layer) in [
            ("seccomp=2", "seccomp=0", "seccomp"),
            ("uid=7", "uid=0", "user"),
            ("uid_map=100000", "uid_map=0", "user_namespace"),
            ("no_new_privs=1", "no_new_privs=0", "capabilities"),
            ("=0000000000000000", "=00000000a80425fb", "capabilities"),
            ("root=read-only", "root=writable", "mounts"),
            ("token=absent", "token=present", "credentials"),
        ] {
            let facts = Facts::read(&SEEN.replace(seen, instead), 7).unwrap();
            assert_eq!(facts.flaws[0].0, layer);
        }
        let reaches = Facts::read(&SEEN.replace("= lo", "= lo eth0\nreached=bash"), 7).unwrap();
        assert_eq!(reaches.network.unwrap().0, Enforcement::Absent);
        let refused = Facts::read(&SEEN.replace("= lo", "= lo eth0\nrefused=nc"), 7).unwrap();
        assert_eq!(refused.network.unwrap().0, Enforcement::Enforced);
        let untried = Facts::read(&SEEN.replace("= lo", "= lo eth0\nrefused=none"), 7).unwrap();
        assert_eq!(untried.network.unwrap().0, Enforcement::Absent);
    }

    #[test]
    fn an_image_without_tar_is_told() {
        let error = Facts::read("lacks=tar\nend=seen\n", 7).unwrap_err();
        assert_eq!(error.code_str(), "image_incomplete");
        let broken = Facts::read("memory=1\n", 7).unwrap_err();
        assert_eq!(broken.code_str(), "connection_lost");
    }
}
