//! Putting an engine together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{Engine, Parts, Settings};
use crate::{
    error::{Error, Result},
    traits::{
        Approver, ArtifactStore, Clock, Deployer, Ids, Locks, LogStore, Planner, Policy, Publisher,
        Queue, Sandbox, SecretStore, Signer, Store, Verifier, Workspace,
    },
};

macro_rules! parts {
    ($($(#[$doc:meta])* $name:ident: $kind:ident,)*) => {
        /// Takes the backends of an [`Engine`] one by one.
        #[derive(Clone, Debug, Default)]
        pub struct EngineBuilder {
            $($name: Option<Arc<dyn $kind>>,)*
            deployers: BTreeMap<String, Arc<dyn Deployer>>,
            publishers: BTreeMap<String, Arc<dyn Publisher>>,
            builder_id: Option<String>,
            lease_term: Option<Duration>,
            lease_wait: Option<Duration>,
            backoff: Option<Duration>,
        }

        impl EngineBuilder {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(mut self, part: Arc<dyn $kind>) -> Self {
                self.$name = Some(part);
                self
            })*
        }
    };
}

parts! {
    /// Where jobs and their events are. Required.
    store: Store,
    /// Which job comes next. Required; most stores are queues, too.
    queue: Queue,
    /// Where output goes. Required.
    logs: LogStore,
    /// Where content goes. Required.
    artifacts: ArtifactStore,
    /// One at a time, per target. Required.
    locks: Locks,
    /// Where secrets are. Required.
    secrets: SecretStore,
    /// Where commands run. Required.
    sandbox: Sandbox,
    /// How code is fetched and changed. Required.
    workspace: Workspace,
    /// How a changed tree is checked. Required.
    verifier: Verifier,
    /// What may go on by itself. Required.
    policy: Policy,
    /// Who signs. Required.
    signer: Signer,
    /// The time. Required.
    clock: Clock,
    /// Unique numbers. Required.
    ids: Ids,
    /// Who makes plans of goals; without one a job needs a plan, a diff or a branch.
    planner: Planner,
    /// Who is asked besides the principals that answer through the API.
    approver: Approver,
}

impl EngineBuilder {
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

    /// The URI under which this installation signs provenance. Required.
    #[must_use]
    pub fn builder_id(mut self, uri: impl Into<String>) -> Self {
        self.builder_id = Some(uri.into());
        self
    }

    /// How long a lease holds without a heartbeat: how soon another worker takes over from a dead
    /// one. 30 seconds unless set, at least 1.
    #[must_use]
    pub const fn lease_term(mut self, term: Duration) -> Self {
        self.lease_term = Some(term);
        self
    }

    /// How long a worker waits for a job before it asks again: 5 seconds unless set.
    #[must_use]
    pub const fn lease_wait(mut self, wait: Duration) -> Self {
        self.lease_wait = Some(wait);
        self
    }

    /// The first pause before another attempt, doubling with each up to a minute: half a second
    /// unless set.
    #[must_use]
    pub const fn backoff(mut self, backoff: Duration) -> Self {
        self.backoff = Some(backoff);
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// `Invalid`, naming the part that is missing.
    pub fn build(self) -> Result<Engine> {
        let settings = Settings {
            lease_term: self
                .lease_term
                .unwrap_or(Duration::from_secs(30))
                .max(Duration::from_secs(1)),
            lease_wait: self.lease_wait.unwrap_or(Duration::from_secs(5)),
            backoff: self.backoff.unwrap_or(Duration::from_millis(500)),
            backoff_max: Duration::from_mins(1),
        };
        Ok(Engine(Arc::new(Parts {
            store: required("store", self.store)?,
            queue: required("queue", self.queue)?,
            logs: required("logs", self.logs)?,
            artifacts: required("artifacts", self.artifacts)?,
            locks: required("locks", self.locks)?,
            secrets: required("secrets", self.secrets)?,
            sandbox: required("sandbox", self.sandbox)?,
            workspace: required("workspace", self.workspace)?,
            verifier: required("verifier", self.verifier)?,
            policy: required("policy", self.policy)?,
            signer: required("signer", self.signer)?,
            clock: required("clock", self.clock)?,
            ids: required("ids", self.ids)?,
            planner: self.planner,
            approver: self.approver,
            deployers: self.deployers,
            publishers: self.publishers,
            builder_id: required("builder_id", self.builder_id)?,
            settings,
        })))
    }
}

fn required<T>(part: &'static str, given: Option<T>) -> Result<T> {
    given.ok_or_else(|| {
        Error::invalid("a part of the engine is missing")
            .context("part", part)
            .advice(format!("call EngineBuilder::{part} before build"))
    })
}
