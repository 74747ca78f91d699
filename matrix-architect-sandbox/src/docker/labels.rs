//! By which labels containers and volumes tell whose they are, also after their owner has died.

use std::{
    collections::HashMap,
    fs,
    sync::atomic::{AtomicU64, Ordering},
};

use matrix_architect_core::{
    error::{Error, Result},
    traits::SessionSpec,
};

use crate::common::Process;

/// Everything of ours has it.
pub(super) const OWNER: &str = "dev.matrix-architect.owner";
/// Which sandbox of the owner.
pub(super) const SANDBOX: &str = "dev.matrix-architect.sandbox";
/// Which space: what is in it goes together.
pub(super) const SPACE: &str = "dev.matrix-architect.space";
/// What it is for: `holder` or `runner`.
pub(super) const ROLE: &str = "dev.matrix-architect.role";
const SESSION: &str = "dev.matrix-architect.session";
const TENANT: &str = "dev.matrix-architect.tenant";
const JOB: &str = "dev.matrix-architect.job";
const FENCE: &str = "dev.matrix-architect.fence";

/// The process that owns containers: on which boot, in which pid namespace, which process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    boot: String,
    namespace: String,
    process: Process,
}

impl Owner {
    /// This process.
    pub(super) fn this() -> Result<Self> {
        let process = Process::running(std::process::id());
        let place = place();
        let (Some(process), Some((boot, namespace))) = (process, place) else {
            return Err(Error::unexpected("this process cannot be found in /proc")
                .advice("mount /proc where the server runs"));
        };
        Ok(Self { boot, namespace, process })
    }

    /// As a label says it.
    pub(super) fn label(&self) -> String {
        let Process { pid, started } = self.process;
        format!("{}.{}.{pid}.{started}", self.boot, self.namespace)
    }

    /// Of what a label says.
    pub(super) fn parse(label: &str) -> Option<Self> {
        let mut parts = label.split('.');
        let (boot, namespace) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        let process =
            Process { pid: parts.next()?.parse().ok()?, started: parts.next()?.parse().ok()? };
        parts.next().is_none().then_some(Self { boot, namespace, process })
    }

    /// Whether it has died; `None` if that cannot be told from here.
    pub(super) fn is_dead(&self) -> Option<bool> {
        let (boot, namespace) = place()?;
        let is_here = boot == self.boot && namespace == self.namespace;
        is_here.then(|| !self.process.is_alive())
    }
}

/// On which boot of which machine, and in which pid namespace, process numbers mean something.
fn place() -> Option<(String, String)> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = fs::read_link("/proc/self/ns/pid").ok()?;
    let digits = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
    Some((digits(boot.trim()), digits(&namespace.to_string_lossy())))
}

/// The labels of one sandbox, and names for what it makes.
#[derive(Clone, Debug)]
pub(super) struct Labels {
    owner: String,
    sandbox: String,
}

/// Numbers that no other sandbox, space or container of this process has.
static COUNT: AtomicU64 = AtomicU64::new(1);

impl Labels {
    pub(super) fn new(owner: &Owner) -> Self {
        let owner = owner.label();
        let sandbox = format!("{owner}.{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Self { owner, sandbox }
    }

    /// What all containers and volumes of this sandbox have, as the engine's filters take it.
    pub(super) fn filter(&self) -> String {
        format!("{SANDBOX}={}", self.sandbox)
    }

    /// A name for a space that nothing else on any engine has.
    pub(super) fn space(&self) -> String {
        format!("architect-{}.{}", self.sandbox, COUNT.fetch_add(1, Ordering::Relaxed))
    }

    /// The labels of something in a space.
    pub(super) fn of(&self, space: &str, role: &str) -> HashMap<String, String> {
        let pairs =
            [(OWNER, self.owner.as_str()), (SANDBOX, &self.sandbox), (SPACE, space), (ROLE, role)];
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
    }
}

/// The labels that say for whom a session is.
pub(super) fn of_session(spec: &SessionSpec) -> HashMap<String, String> {
    let mut labels = HashMap::from([(SESSION.to_owned(), spec.id.to_string())]);
    if let Some((job, fence)) = &spec.owner {
        labels.insert(TENANT.to_owned(), job.tenant.to_string());
        labels.insert(JOB.to_owned(), job.id.to_string());
        labels.insert(FENCE.to_owned(), fence.0.to_string());
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_known_by_its_label_and_alive() {
        let owner = Owner::this().unwrap();
        let again = Owner::parse(&owner.label()).unwrap();
        assert_eq!(again, owner);
        assert_eq!(again.is_dead(), Some(false));
    }

    #[test]
    fn a_process_with_the_same_number_that_started_later_is_another() {
        let mut owner = Owner::this().unwrap();
        owner.process.started += 1;
        assert_eq!(owner.is_dead(), Some(true));
        owner.boot = "another".to_owned();
        assert_eq!(owner.is_dead(), None, "numbers of another boot mean nothing here");
    }
}
