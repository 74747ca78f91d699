//! Putting the default backends together: SQLite, files, the native sandbox, git, systemd.

use std::{collections::BTreeMap, ffi::OsString, fmt, path::PathBuf, sync::Arc, time::Duration};

use matrix_architect_core::{
    engine::Engine,
    error::Result,
    git::GitAccess,
    plan::RepoSpec,
    policy::{RulePolicy, Rules},
    release::PublishConfig,
    traits::{
        Approver, Clock, Deployer, Planner, Policy, Publisher, Records, Sandbox, SecretStore,
        Verifier, Workspace,
    },
};
use matrix_architect_deploy::{
    none::NoneDeployer,
    publish::{DirectoryPublisher, GitPublisher},
    systemd::SystemdDeployer,
};
#[cfg(feature = "docker")]
use matrix_architect_sandbox::docker::{self, DockerSandbox};
#[cfg(feature = "kubernetes")]
use matrix_architect_sandbox::kubernetes::{self, KubernetesSandbox};
use matrix_architect_sandbox::{
    bwrap::{self, BwrapConfig, BwrapSandbox},
    native::{self, Check, NativeConfig, NativeSandbox, detect_toolchains},
    verify::{PrepareConfig, SuiteVerifier, VerifyConfig},
    workspace::{GitWorkspace, WorkspaceConfig},
};
use matrix_architect_store::{
    files::FileArtifacts,
    secrets::{ChainedSecrets, EnvSecrets, FileSecrets},
    sqlite,
    system::{SystemClock, SystemIds},
};

use crate::{
    config::{Environment, SECRET_PREFIX},
    fetching::Fetching,
    home::{Home, read_toml},
    isolation::{Isolation, SandboxKind},
    keys,
    nowhere::Nowhere,
    token::Tokens,
};

/// Which backends an installation has. The default ones are always there; what is registered here
/// comes beside them, or in place of one that has the same name.
#[derive(Clone, Default)]
pub struct Composition {
    deployers: BTreeMap<String, Arc<dyn Deployer>>,
    publishers: BTreeMap<String, Arc<dyn Publisher>>,
    policy: Option<Arc<dyn Policy>>,
    planner: Option<Arc<dyn Planner>>,
    approver: Option<Arc<dyn Approver>>,
    environment: Environment,
    isolation: Isolation,
    ready: usize,
    fetching: Fetching,
    lease_term: Option<Duration>,
}

impl fmt::Debug for Composition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Composition")
            .field("deployers", &self.deployers.keys())
            .field("publishers", &self.publishers.keys())
            .field("isolation", &self.isolation)
            .finish_non_exhaustive()
    }
}

/// An open installation.
#[derive(Debug)]
#[non_exhaustive]
pub struct Installation {
    /// Does everything there is to do, and checks who may.
    pub engine: Engine,
    /// Small things with a name, such as tokens.
    pub records: Arc<dyn Records>,
    /// The data directory.
    pub home: Home,
}

impl Installation {
    /// Its access tokens.
    pub fn tokens(&self) -> Tokens {
        Tokens::new(Arc::clone(&self.records), Arc::new(SystemClock))
    }
}

impl Composition {
    /// The default backends.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a deployer under the name that `config.driver` calls it by.
    #[must_use]
    pub fn deployer(mut self, name: impl Into<String>, deployer: Arc<dyn Deployer>) -> Self {
        self.deployers.insert(name.into(), deployer);
        self
    }

    /// Registers a publisher under the name that `driver` calls it by.
    #[must_use]
    pub fn publisher(mut self, name: impl Into<String>, publisher: Arc<dyn Publisher>) -> Self {
        self.publishers.insert(name.into(), publisher);
        self
    }

    /// Decides what may go on by itself, in place of the built-in rules.
    #[must_use]
    pub fn policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Makes plans of goals.
    #[must_use]
    pub fn planner(mut self, planner: Arc<dyn Planner>) -> Self {
        self.planner = Some(planner);
        self
    }

    /// Is asked besides the principals that answer through the API.
    #[must_use]
    pub fn approver(mut self, approver: Arc<dyn Approver>) -> Self {
        self.approver = Some(approver);
        self
    }

    /// What the process found around it: secrets and the path to toolchains.
    #[must_use]
    pub fn environment(mut self, environment: &Environment) -> Self {
        self.environment = environment.clone();
        self
    }

    /// In which sandbox commands run, and how strict it is.
    #[must_use]
    pub fn isolation(mut self, isolation: &Isolation) -> Self {
        self.isolation = isolation.clone();
        self
    }

    /// How many sessions are kept ready where the sandbox can do it cheaply and the isolation says
    /// nothing of it: none unless set.
    #[must_use]
    pub const fn ready(mut self, sessions: usize) -> Self {
        self.ready = sessions;
        self
    }

    /// Where dependencies may be fetched from before VERIFY, beside the hosts that the tools'
    /// configuration on a base tree names.
    #[must_use]
    pub fn fetching(mut self, fetching: &Fetching) -> Self {
        self.fetching = fetching.clone();
        self
    }

    /// The clock of all of it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(SystemClock)
    }

    /// How long a lease holds without a heartbeat: how soon the job of a dead process is taken up
    /// again. 15 seconds unless set.
    #[must_use]
    pub const fn lease_term(mut self, term: Duration) -> Self {
        self.lease_term = Some(term);
        self
    }

    /// Tries every layer and limit of the sandbox for real; without a data directory, none of a
    /// sandbox that needs one.
    ///
    /// # Errors
    /// `Invalid` if the arguments that say how commands are isolated do not go together.
    pub async fn examine_sandbox(&self, home: Option<&Home>) -> Result<Vec<Check>> {
        self.isolation.check()?;
        #[cfg(feature = "docker")]
        if self.isolation.kind == SandboxKind::Docker {
            return Ok(docker::doctor(&self.isolation.docker()?).await);
        }
        #[cfg(feature = "kubernetes")]
        if self.isolation.kind == SandboxKind::Kubernetes {
            return Ok(kubernetes::doctor(&self.isolation.kubernetes(&self.environment)?).await);
        }
        if self.isolation.kind == SandboxKind::Bwrap {
            let Some(home) = home else { return Ok(Vec::new()) };
            return Ok(bwrap::doctor(&self.bwrap_config(home)).await);
        }
        Ok(native::doctor(&self.sandbox_config()))
    }

    /// How commands are isolated on this machine: what the sandbox and `doctor` look at.
    pub fn sandbox_config(&self) -> NativeConfig {
        let home = self.environment.home.clone().unwrap_or_else(|| PathBuf::from("/nonexistent"));
        let path = OsString::from(self.environment.path.clone().unwrap_or_default());
        NativeConfig::default().toolchains(detect_toolchains(&home, &path))
    }

    fn bwrap_config(&self, home: &Home) -> BwrapConfig {
        BwrapConfig::in_directory(home.scratch().join("bwrap")).native(self.sandbox_config())
    }

    /// How git is run in this installation and which servers it trusts: what `git.toml` in the data
    /// directory says. Without it, git is found in the path of this process.
    ///
    /// # Errors
    /// `Invalid` if the file is not legible or a field of it makes no sense.
    pub fn git_access(&self, home: &Home) -> Result<GitAccess> {
        let mut access: GitAccess = read_toml(&home.git_file())?;
        let named = access.path != GitAccess::default().path;
        if let Some(path) = self.environment.path.as_ref().filter(|_| !named) {
            access.path.clone_from(path);
        }
        let path = home.git_file();
        access.validate().map_err(|error| error.context("path", path.display()))?;
        Ok(access)
    }

    /// How code is fetched in this installation.
    ///
    /// # Errors
    /// As [`Composition::git_access`].
    pub fn workspace_config(&self, home: &Home) -> Result<WorkspaceConfig> {
        let mut config = WorkspaceConfig::new(home.scratch());
        config.access = self.git_access(home)?;
        Ok(config)
    }

    /// Demands of this machine what a job cannot do without, before there is one.
    ///
    /// # Errors
    /// `Unsupported` if the job needs git and git is missing, broken or too old; what
    /// [`Composition::git_access`] finds.
    pub fn require_git(
        &self,
        home: &Home,
        repo: &RepoSpec,
        publish: &[PublishConfig],
    ) -> Result<()> {
        let config = self.workspace_config(home)?;
        if config.needs_git(repo) || publish.iter().any(|publish| publish.driver == "git") {
            config.git_version()?;
        }
        Ok(())
    }

    /// Opens the backends on a data directory.
    ///
    /// # Errors
    /// Whatever a backend meets when it opens.
    pub async fn open(&self, home: Home) -> Result<Installation> {
        let sandbox = self.sandbox(&home).await?;
        self.open_with(home, sandbox).await
    }

    /// Opens the backends on a data directory for somebody who looks at jobs and decides on them.
    /// There is no sandbox, so nothing keeps a machine from it that can start none; and no worker of
    /// its engine gets past VERIFY.
    ///
    /// # Errors
    /// Whatever a backend meets when it opens.
    pub async fn open_to_look(&self, home: Home) -> Result<Installation> {
        self.open_with(home, Arc::new(Nowhere)).await
    }

    async fn open_with(&self, home: Home, sandbox: Arc<dyn Sandbox>) -> Result<Installation> {
        let clock = self.clock();
        let artifacts = Arc::new(FileArtifacts::open(home.artifacts()).await?);
        let stores = sqlite::open(home.database(), Arc::clone(&clock), artifacts).await?;
        let signer = keys::open(&home)?;
        let directory = DirectoryPublisher::new().public_key(signer.public_pem());
        let git = GitPublisher::new().access(self.git_access(&home)?);
        let mut builder = Engine::builder()
            .store(stores.store)
            .queue(stores.queue)
            .logs(stores.logs)
            .artifacts(stores.artifacts)
            .locks(stores.locks)
            .secrets(self.secrets(&home))
            .sandbox(sandbox)
            .workspace(self.workspace(&home)?)
            .verifier(self.verifier(&home)?)
            .policy(self.rules(&home)?)
            .signer(Arc::new(signer))
            .clock(Arc::clone(&clock))
            .ids(Arc::new(SystemIds))
            .builder_id(builder_id())
            .lease_term(self.lease_term.unwrap_or(Duration::from_secs(15)))
            .deployer("none", Arc::new(NoneDeployer::new(Arc::clone(&clock))))
            .deployer("systemd", Arc::new(SystemdDeployer::new(clock)))
            .publisher("directory", Arc::new(directory))
            .publisher("git", Arc::new(git));
        for (name, deployer) in &self.deployers {
            builder = builder.deployer(name, Arc::clone(deployer));
        }
        for (name, publisher) in &self.publishers {
            builder = builder.publisher(name, Arc::clone(publisher));
        }
        if let Some(planner) = &self.planner {
            builder = builder.planner(Arc::clone(planner));
        }
        if let Some(approver) = &self.approver {
            builder = builder.approver(Arc::clone(approver));
        }
        Ok(Installation { engine: builder.build()?, records: stores.records, home })
    }

    /// The built-in rules, with what `policy.toml` in the data directory says differently.
    fn rules(&self, home: &Home) -> Result<Arc<dyn Policy>> {
        if let Some(policy) = &self.policy {
            return Ok(Arc::clone(policy));
        }
        let rules: Rules = read_toml(&home.policy_file())?;
        Ok(Arc::new(RulePolicy::new(rules)?))
    }

    /// `env://` names variables that begin with `ARCHITECT_SECRET_`, with or without that prefix;
    /// `file://` names files beneath `secrets` in the data directory.
    fn secrets(&self, home: &Home) -> Arc<dyn SecretStore> {
        let variables = self.environment.secrets.iter().flat_map(|(name, value)| {
            let short = name.strip_prefix(SECRET_PREFIX).unwrap_or(name);
            [(name.clone(), value.clone()), (short.to_owned(), value.clone())]
        });
        let chained = ChainedSecrets::new()
            .with("env", EnvSecrets::new(variables))
            .with("file", FileSecrets::new(home.secrets()));
        Arc::new(chained)
    }

    /// The sandbox that commands run in.
    ///
    /// # Errors
    /// Whatever keeps it from starting, with the remedy.
    pub async fn sandbox(&self, home: &Home) -> Result<Arc<dyn Sandbox>> {
        self.isolation.check()?;
        Ok(match self.isolation.kind {
            SandboxKind::Native => {
                let ready = self.isolation.warm.unwrap_or(self.ready);
                let config = self.sandbox_config().warm_sessions(ready);
                Arc::new(NativeSandbox::new(config)?)
            }
            SandboxKind::Bwrap => Arc::new(BwrapSandbox::new(self.bwrap_config(home))?),
            #[cfg(feature = "docker")]
            SandboxKind::Docker => {
                Arc::new(DockerSandbox::connect(self.isolation.docker()?).await?)
            }
            #[cfg(feature = "kubernetes")]
            SandboxKind::Kubernetes => {
                let config = self.isolation.kubernetes(&self.environment)?;
                Arc::new(KubernetesSandbox::connect(config).await?)
            }
        })
    }

    fn workspace(&self, home: &Home) -> Result<Arc<dyn Workspace>> {
        Ok(Arc::new(GitWorkspace::open(self.workspace_config(home)?)?))
    }

    fn verifier(&self, home: &Home) -> Result<Arc<dyn Verifier>> {
        let prepare = PrepareConfig::new(home.dependencies())
            .hosts(self.fetching.allow.clone())
            .private(self.fetching.allow_private.clone());
        let config =
            VerifyConfig::default().allow_degraded(self.isolation.allow_degraded).prepare(prepare);
        Ok(Arc::new(SuiteVerifier::new(config, Arc::new(SystemIds))?))
    }
}

/// The name this installation signs provenance under: the program and the machine it ran on.
fn builder_id() -> String {
    let machine = rustix::system::uname();
    let name = machine.nodename().to_string_lossy().into_owned();
    format!("{}/architect@{name}", env!("CARGO_PKG_REPOSITORY"))
}
