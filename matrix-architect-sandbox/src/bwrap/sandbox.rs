//! The sandbox: what bubblewrap can do here, and opening sessions.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use matrix_architect_core::{
    error::{Error, ErrorKind, Result},
    traits::{
        Enforcement, LimitReport, Limits, Network, Sandbox, SandboxCapabilities, Session,
        SessionSpec, Tree,
    },
};

use super::{config::BwrapConfig, session::BwrapSession};
use crate::{
    common::{check_fixed, check_limits, refuse_absent, report},
    native::{
        Controller, Filters, Group, HOME, Hierarchies, Owner, RootPlan, TREE, check_binds,
        environment, is_privileged, root,
    },
    workspace::Scratch,
};

/// What commands write; each command is a new bubblewrap over what the last one left there.
const WRITABLE: [&str; 3] = [TREE, HOME, "/tmp"];

/// Isolation by bubblewrap. Cheap to clone.
#[derive(Clone, Debug)]
pub struct BwrapSandbox(Arc<Shared>);

/// What all sessions share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: BwrapConfig,
    pub(super) root: RootPlan,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) hierarchies: Hierarchies,
    pub(super) scratch: Arc<Scratch>,
    /// The compiled system call filter, as the kernel takes it.
    pub(super) filter: Vec<u8>,
    owner: Owner,
    count: AtomicU64,
}

impl BwrapSandbox {
    /// Looks for the program and the machine's cgroups. Whether a session stands is seen when the
    /// first one is opened; see [`doctor`](super::doctor).
    ///
    /// # Errors
    /// `Invalid` for a bad configuration; `NotFound` if bubblewrap is not installed; `Unavailable`
    /// if the directory cannot be used.
    pub fn new(config: BwrapConfig) -> Result<Self> {
        config.validate()?;
        if !config.program.is_file() {
            return Err(Error::not_found("bubblewrap is not installed")
                .code("bwrap_missing")
                .context("program", config.program.display())
                .advice("install the package bubblewrap, or name the program in the settings"));
        }
        let owner = Owner::new(std::process::id())?;
        let filter = Filters::compile().map_err(crate::native::Fault::into_error)?.bytes();
        Ok(Self(Arc::new(Shared {
            root: root(&config.native),
            environment: environment(&config.native),
            hierarchies: Hierarchies::probe(&config.native, owner),
            scratch: Scratch::open(&config.directory)?,
            filter,
            owner,
            count: AtomicU64::new(1),
            config,
        })))
    }

    /// What sessions share.
    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }
}

impl Shared {
    /// A number no other session or command of this process has.
    pub(super) fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// The cgroups of one command, bounded.
    pub(super) fn group(&self, limits: &Limits) -> std::io::Result<Group> {
        self.hierarchies.create(&self.owner.name(self.next()), limits)
    }
}

/// How each layer and limit of a command is held.
pub(super) fn enforcement(group: Option<&Group>, limits: &Limits) -> Vec<LimitReport> {
    let enforced = |name, by| report(name, Enforcement::Enforced, by);
    let mut reports = vec![
        enforced("mounts", "bubblewrap: mount namespace, read-only root"),
        enforced("processes_view", "bubblewrap: pid namespace"),
        enforced("capabilities", "bubblewrap: none, and no new privileges"),
        enforced("network", "bubblewrap: network namespace with loopback only"),
        enforced("ipc", "bubblewrap: ipc namespace"),
        enforced("host_name", "bubblewrap: uts namespace"),
        enforced("proc", "bubblewrap: fresh proc of the pid namespace"),
        enforced("user", "bubblewrap: user namespace"),
        enforced("seccomp", "seccomp"),
        enforced("wall", "timer and end of the pid namespace"),
        report("cpu", Enforcement::Polled, "tree's CPU time, rlimit for each process"),
        enforced("disk", "size of the session's file system in memory"),
        report("file_size", Enforcement::PerProcess, "rlimit"),
        report("open_files", Enforcement::PerProcess, "rlimit"),
        enforced("output", "ring of the last half of the cap"),
    ];
    let held = |controller| group.and_then(|group| group.held(controller));
    let by_cgroup = |name, controller, otherwise: LimitReport| {
        held(controller).map_or(otherwise, |version: crate::native::Version| {
            report(name, Enforcement::Enforced, &version.by(name))
        })
    };
    let absent = |name| report(name, Enforcement::Absent, "no cgroup can be made");
    reports.push(by_cgroup("memory", Controller::Memory, absent("memory")));
    let processes = if is_privileged() {
        absent("processes")
    } else {
        report("processes", Enforcement::Enforced, "rlimit in the user namespace")
    };
    reports.push(by_cgroup("processes", Controller::Pids, processes));
    if limits.cpu_millis > 0 {
        reports.push(by_cgroup("cpu_millis", Controller::Cpu, absent("cpu_millis")));
    }
    reports
}
#[async_trait]
impl Sandbox for BwrapSandbox {
    fn capabilities(&self) -> SandboxCapabilities {
        let limits = Limits::default();
        let mut held = self.0.group(&limits).ok();
        let enforcement = enforcement(held.as_ref(), &limits);
        held.iter_mut().for_each(Group::give_back);
        SandboxCapabilities {
            driver: "bwrap".to_owned(),
            enforcement,
            egress: false,
            services: false,
        }
    }

    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>> {
        check_limits(&spec.limits)?;
        check_binds(&spec.binds)?;
        check_fixed(&spec.binds, &WRITABLE)?;
        if spec.network != Network::Isolated {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the bubblewrap sandbox gives no network",
            )
            .advice("use the native sandbox for sessions with egress"));
        }
        for bind in &spec.binds {
            check_source(&bind.source)?;
        }
        let session = BwrapSession::filled(Arc::clone(&self.0), tree, spec.clone()).await?;
        if !spec.allow_degraded {
            let mut held = self.0.group(&spec.limits).ok();
            let enforcement = enforcement(held.as_ref(), &spec.limits);
            held.iter_mut().for_each(Group::give_back);
            refuse_absent(&enforcement)?;
        }
        Ok(Box::new(session))
    }

    async fn reap(&self) -> Result<u64> {
        let shared = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || shared.hierarchies.reap())
            .await
            .map_err(|cause| Error::unexpected("reaping sandbox sessions failed").source(cause))
    }
}

fn check_source(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    Err(Error::not_found("a host path that is to be shown inside does not exist")
        .context("path", path.display())
        .advice("make it, or take it out of the session's binds"))
}
