//! The sandbox: what this machine can do, and opening sessions.

use std::{
    collections::BTreeMap,
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

use super::{
    bounds,
    cgroup::{Group, Hierarchies},
    config::NativeConfig,
    confine, doctor,
    fault::Fault,
    launcher::Launcher,
    plan, run,
    session::NativeSession,
    warm::{Pool, Standing},
    wire::{Layer, OpenRequest},
};
use crate::common::{check_limits, refuse_absent, report};
use crate::egress::Proxy;

/// Isolation by the Linux kernel alone. Cheap to clone; clones share one helper process.
#[derive(Clone, Debug)]
pub struct NativeSandbox(pub(super) Arc<Shared>);

/// What all sessions of a sandbox share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) launcher: Launcher,
    pub(super) hierarchies: Hierarchies,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) warm: Pool,
    pub(super) proxy: Proxy,
    users: Users,
    lacking: Vec<(Layer, Fault)>,
    count: AtomicU64,
}

impl NativeSandbox {
    /// Starts the helper and proves every layer in a session of its own.
    ///
    /// # Errors
    /// `Invalid` for a bad configuration; `Unsupported` if this machine forbids what no session
    /// can do without (mounts, processes, users); `Unavailable` if the helper cannot be started.
    #[expect(clippy::needless_pass_by_value, reason = "what is configured belongs to the sandbox")]
    pub fn new(config: NativeConfig) -> Result<Self> {
        config.validate()?;
        let (environment, warm) = (plan::environment(&config), Pool::new(config.warm_sessions));
        let launcher = Launcher::start(plan::root(&config))?;
        let mut shared = Shared {
            hierarchies: Hierarchies::probe(&config, launcher.owner()),
            launcher,
            environment,
            warm,
            proxy: Proxy::new(config.proxy.clone()),
            users: Users::find(),
            lacking: Vec::new(),
            count: AtomicU64::new(1),
        };
        shared.lacking = doctor::prove(&shared)?;
        let shared = Arc::new(shared);
        shared.warm.fill(&shared);
        Ok(Self(shared))
    }
}

impl NativeSandbox {
    /// The process id of the helper, whose children are the sessions; for monitoring.
    pub fn helper_id(&self) -> u32 {
        self.0.launcher.owner().pid()
    }
}

impl Shared {
    /// The cgroups of one command, bounded.
    pub(super) fn group(&self, limits: &Limits) -> std::io::Result<Group> {
        if let Some(group) = self.hierarchies.reuse(limits) {
            return Ok(group);
        }
        self.hierarchies.create(&self.launcher.owner().name(self.next()), limits)
    }

    /// A number no other session or command of this process has.
    pub(super) fn next(&self) -> u64 {
        self.count.fetch_add(1, Ordering::Relaxed)
    }

    /// What a session is asked to be.
    pub(super) fn request(&self, disk: u64) -> OpenRequest {
        OpenRequest {
            binds: Vec::new(),
            disk,
            user: self.users.next(self.next()),
            without: self.lacking.iter().map(|(layer, _)| *layer).collect(),
        }
    }

    /// Whether a session can be kept from every network but its own.
    pub(super) fn can_isolate_networks(&self) -> bool {
        !self.lacking.iter().any(|(layer, _)| *layer == Layer::Network)
    }

    /// How each layer is held here.
    pub(super) fn layers(&self) -> Vec<LimitReport> {
        let always = [
            ("mounts", "mount namespace, read-only root"),
            ("processes_view", "pid namespace"),
            ("capabilities", "none, and no new privileges"),
        ];
        let always = always.map(|(name, by)| report(name, Enforcement::Enforced, by));
        let layers = Layer::ALL.into_iter().map(|layer| {
            match self.lacking.iter().find(|(lacking, _)| *lacking == layer) {
                None => report(layer.name(), Enforcement::Enforced, layer.mechanism()),
                Some((_, fault)) => {
                    let why = format!("{}: {}", layer.mechanism(), fault.step);
                    report(layer.name(), Enforcement::Absent, &why)
                }
            }
        });
        always.into_iter().chain(layers).collect()
    }
}

/// Whom commands run as on the host.
#[derive(Clone, Copy, Debug)]
enum Users {
    /// Root gives every session a user of its own that owns nothing on the host.
    From(u32),
    /// Root of a container with few users: all sessions are nobody.
    Nobody,
    /// Everybody else has only themselves.
    Own,
}

/// Far above what distributions and user namespaces hand out.
const FIRST_USER: u32 = 2_000_000_000;
const USERS_PER_PROCESS: u32 = 1000;
const NOBODY: u32 = 65534;

impl Users {
    fn find() -> Self {
        if !confine::is_privileged() {
            return Self::Own;
        }
        let first = FIRST_USER + std::process::id() % 1_000_000 * USERS_PER_PROCESS;
        let last = u64::from(first) + u64::from(USERS_PER_PROCESS);
        let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let covers = map.lines().any(|line| {
            let mut numbers =
                line.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0_u64));
            let (inside, count) = (numbers.next().unwrap_or(0), numbers.nth(1).unwrap_or(0));
            inside <= u64::from(first) && last <= inside + count
        });
        if covers { Self::From(first) } else { Self::Nobody }
    }

    fn next(self, number: u64) -> Option<u32> {
        match self {
            Self::From(first) => {
                let offset = number % u64::from(USERS_PER_PROCESS);
                Some(first + u32::try_from(offset).unwrap_or(0))
            }
            Self::Nobody => Some(NOBODY),
            Self::Own => None,
        }
    }
}

#[async_trait]
impl Sandbox for NativeSandbox {
    fn capabilities(&self) -> SandboxCapabilities {
        let limits = Limits::default();
        let mut held = self.0.group(&limits).ok();
        let enforcement = run::enforcement(&self.0, held.as_ref(), &limits);
        // Nobody was ever to join them.
        held.iter_mut().for_each(Group::give_back);
        SandboxCapabilities {
            driver: "native".to_owned(),
            enforcement,
            egress: self.0.can_isolate_networks(),
            services: self.0.can_isolate_networks(),
        }
    }

    async fn open(&self, tree: &dyn Tree, spec: &SessionSpec) -> Result<Box<dyn Session>> {
        check_limits(&spec.limits)?;
        bounds::check_binds(&spec.binds)?;
        if spec.network != Network::Isolated && !self.0.can_isolate_networks() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "a session without a network of its own cannot be held to named hosts",
            )
            .advice("run `architect doctor` for the remedy"));
        }
        let layers = self.0.layers();
        if !spec.allow_degraded {
            refuse_absent(&layers)?;
        }
        if let Some(standing) = self.0.warm.adopt(spec) {
            match NativeSession::open(&self.0, standing, tree, spec).await {
                Err(gone) if gone.is_retryable() => {}
                opened => return opened.map(|session| Box::new(session) as Box<dyn Session>),
            }
        }
        let mut request = self.0.request(spec.limits.disk);
        request.binds.clone_from(&spec.binds);
        let standing = Standing::open(&self.0, request)?;
        let session = NativeSession::open(&self.0, standing, tree, spec).await?;
        Ok(Box::new(session))
    }

    async fn reap(&self) -> Result<u64> {
        let shared = Arc::clone(&self.0);
        tokio::task::spawn_blocking(move || shared.hierarchies.reap())
            .await
            .map_err(|cause| Error::unexpected("reaping sandbox sessions failed").source(cause))
    }
}
