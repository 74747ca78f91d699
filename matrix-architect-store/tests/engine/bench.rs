//! An engine to try things on.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use matrix_architect_core::{
    attest::Ed25519Signer,
    engine::{Engine, EngineBuilder},
    evidence::CheckResult,
    fake::{
        DeskApprover, FixedPolicy, MemoryDeployer, MemoryPublisher, MemoryTree, MemoryWorkspace,
        NoSandbox, NoSecrets, ScriptedVerifier,
    },
    id::{GitOid, PrincipalId, TenantId, WorkerId},
    job::{Job, JobConstraints, JobSpec, Priority},
    plan::{Change, FileOp, FileOpKind, Plan, RepoSpec, Step},
    policy::Decision,
    principal::{Principal, Role},
    release::{DeploymentConfig, DeploymentTarget, PublishConfig},
    traits::{Cancel, Store},
};
use matrix_architect_store::{
    Stores,
    system::{SystemClock, SystemIds},
};

pub(crate) const TARGET: &str = "memory/staging/app";

/// All the parts a test may want to look at.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    /// The same, as of another process that asks nobody.
    pub(crate) plain: Engine,
    pub(crate) stores: Stores,
    pub(crate) workspace: Arc<MemoryWorkspace>,
    pub(crate) verifier: Arc<ScriptedVerifier>,
    pub(crate) deployer: Arc<MemoryDeployer>,
    pub(crate) publisher: Arc<MemoryPublisher>,
    /// Where nothing goes but what names it: the driver `other`.
    pub(crate) other: Arc<MemoryPublisher>,
    pub(crate) signer: Arc<Ed25519Signer>,
    _guard: crate::backend::Guard,
}

/// What a test decides about its bench.
pub(crate) struct Plans {
    pub(crate) decision: Decision,
    pub(crate) approvals: u32,
    pub(crate) verifier: ScriptedVerifier,
    pub(crate) deployer: MemoryDeployer,
    pub(crate) other: MemoryPublisher,
    pub(crate) approver: Option<Arc<DeskApprover>>,
}

impl Default for Plans {
    fn default() -> Self {
        Self {
            decision: Decision::Allow,
            approvals: 0,
            verifier: ScriptedVerifier::new([("unit", CheckResult::Passed)]),
            deployer: MemoryDeployer::default(),
            other: MemoryPublisher::named("other"),
            approver: None,
        }
    }
}

impl Bench {
    pub(crate) async fn new(plans: Plans) -> Self {
        Self::on(plans, |store| store).await
    }

    /// A bench whose store is put into another.
    pub(crate) async fn on(
        plans: Plans,
        decorate: impl FnOnce(Arc<dyn Store>) -> Arc<dyn Store>,
    ) -> Self {
        let (mut stores, guard) = crate::backend::open().await;
        stores.store = decorate(stores.store);
        let workspace = Arc::new(MemoryWorkspace::new(commit('a'), tree("one\n")));
        let verifier = Arc::new(plans.verifier);
        let deployer = Arc::new(plans.deployer);
        let publisher = Arc::new(MemoryPublisher::default());
        let other = Arc::new(plans.other);
        let signer = Arc::new(Ed25519Signer::from_seed([7; 32]));
        let policy = match plans.decision {
            Decision::RequireApproval => {
                FixedPolicy::new(plans.decision).approvals(plans.approvals)
            }
            decision => FixedPolicy::new(decision),
        };
        let mut builder = parts(&stores)
            .workspace(Arc::<MemoryWorkspace>::clone(&workspace))
            .verifier(Arc::<ScriptedVerifier>::clone(&verifier))
            .policy(Arc::new(policy))
            .signer(Arc::<Ed25519Signer>::clone(&signer))
            .deployer("memory", Arc::<MemoryDeployer>::clone(&deployer))
            .publisher("memory", Arc::<MemoryPublisher>::clone(&publisher))
            .publisher("other", Arc::<MemoryPublisher>::clone(&other));
        let plain = builder.clone().build().unwrap();
        if let Some(approver) = plans.approver {
            builder = builder.approver(approver);
        }
        let engine = builder.build().unwrap();
        Self {
            engine,
            plain,
            stores,
            workspace,
            verifier,
            deployer,
            publisher,
            other,
            signer,
            _guard: guard,
        }
    }

    pub(crate) async fn submit(&self, spec: JobSpec) -> Job {
        self.engine.submit(&author(), spec).await.unwrap()
    }

    /// Takes the job as far as it goes.
    pub(crate) async fn drive(&self, job: &Job) -> Job {
        let worker = self.engine.worker(WorkerId::new("worker-1").unwrap());
        let (reference, drain) = (job.reference(), Cancel::new());
        let driven = worker.drive(&reference, &drain);
        tokio::time::timeout(Duration::from_secs(20), driven).await.unwrap().unwrap()
    }

    pub(crate) async fn run(&self, spec: JobSpec) -> Job {
        let job = self.submit(spec).await;
        self.drive(&job).await
    }

    /// The kinds of all events of the job.
    pub(crate) async fn kinds(&self, job: &Job) -> Vec<&'static str> {
        let history = self.engine.history(&author(), &job.id, 0).await.unwrap();
        history.iter().map(|envelope| envelope.event.kind()).collect()
    }

    pub(crate) async fn log(&self, job: &Job, name: &str) -> String {
        let page = self.engine.log(&author(), &job.id, name, 0..1 << 20).await.unwrap();
        String::from_utf8(page.bytes.to_vec()).unwrap()
    }
}

fn parts(stores: &Stores) -> EngineBuilder {
    Engine::builder()
        .store(Arc::clone(&stores.store))
        .queue(Arc::clone(&stores.queue))
        .logs(Arc::clone(&stores.logs))
        .artifacts(Arc::clone(&stores.artifacts))
        .locks(Arc::clone(&stores.locks))
        .secrets(Arc::new(NoSecrets))
        .sandbox(Arc::new(NoSandbox))
        .clock(Arc::new(SystemClock))
        .ids(Arc::new(SystemIds))
        .builder_id("https://example.org/architect")
        .lease_term(Duration::from_secs(1))
        .backoff(Duration::from_millis(10))
}

pub(crate) fn commit(digit: char) -> GitOid {
    GitOid::new(String::from(digit).repeat(40)).unwrap()
}

pub(crate) fn tree(content: &str) -> MemoryTree {
    MemoryTree::new([("notes.txt", content), ("README", "a project\n")]).unwrap()
}

fn principal(name: &str, role: Role) -> Principal {
    Principal::new(PrincipalId::new(name).unwrap(), TenantId::default(), role)
}

pub(crate) fn author() -> Principal {
    principal("author", Role::Operator)
}

pub(crate) fn reviewer() -> Principal {
    principal("reviewer", Role::Operator)
}

pub(crate) fn viewer() -> Principal {
    principal("viewer", Role::Viewer)
}

pub(crate) fn spec() -> JobSpec {
    let op = FileOp {
        op: FileOpKind::Update,
        path: "notes.txt".to_owned(),
        content: Some("two\n".to_owned()),
        ..FileOp::default()
    };
    let step = Step { id: "1".to_owned(), ops: vec![op], ..Step::default() };
    let plan = Plan { goal: "count on".to_owned(), steps: vec![step], ..Plan::default() };
    let deployment = DeploymentConfig {
        target: DeploymentTarget::Custom,
        environment: "staging".to_owned(),
        namespace: None,
        config: BTreeMap::from([("driver".to_owned(), "memory".into())]),
    };
    JobSpec {
        repo: RepoSpec::Local { path: "/srv/r".to_owned(), reference: None, subfolder: None },
        goal: "count on".to_owned(),
        change: Change::Plan(Box::new(plan)),
        verify_commands: Vec::new(),
        constraints: JobConstraints::default(),
        deployments: vec![deployment],
        publish: vec![PublishConfig { driver: "memory".to_owned(), config: BTreeMap::new() }],
        priority: Priority::Normal,
        labels: BTreeMap::new(),
        idempotency_key: None,
    }
}
