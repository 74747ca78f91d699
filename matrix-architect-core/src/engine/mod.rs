//! Doing what the rules allow: the engine takes a leased job through its stages, one commit at a
//! time, and stops at once when it loses the lease.
//!
//! Deciding is elsewhere ([`JobState::after`](crate::pipeline::JobState::after)); nothing here
//! knows what may follow what. A stage runner returns its own outcome, never an event, so that a
//! runner of PLAN cannot say that somebody approved.

mod api;
mod ask;
mod builder;
mod drive;
mod heartbeat;
mod journal;
mod log;
mod scratch;
mod secrets;
mod sink;
mod stages;
mod worker;
mod writer;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use api::Consent;
pub use builder::EngineBuilder;
pub use worker::Worker;

use crate::{
    error::{Error, Result},
    job::{Job, JobSpec},
    pipeline::{Dispatch, JobState, Phase},
    time::Timestamp,
    traits::{
        Approver, ArtifactStore, Clock, Deployer, Ids, Locks, LogStore, Planner, Policy, Publisher,
        Queue, Sandbox, SecretStore, Signer, Store, Verifier, Workspace,
    },
};

/// The pipeline with all its backends. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine(pub(crate) Arc<Parts>);

/// Everything an engine is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) logs: Arc<dyn LogStore>,
    pub(crate) artifacts: Arc<dyn ArtifactStore>,
    pub(crate) locks: Arc<dyn Locks>,
    pub(crate) secrets: Arc<dyn SecretStore>,
    pub(crate) sandbox: Arc<dyn Sandbox>,
    pub(crate) workspace: Arc<dyn Workspace>,
    pub(crate) verifier: Arc<dyn Verifier>,
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) planner: Option<Arc<dyn Planner>>,
    pub(crate) approver: Option<Arc<dyn Approver>>,
    pub(crate) deployers: BTreeMap<String, Arc<dyn Deployer>>,
    pub(crate) publishers: BTreeMap<String, Arc<dyn Publisher>>,
    pub(crate) builder_id: String,
    pub(crate) settings: Settings,
}

/// How the engine behaves in time.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long a lease holds; it is renewed three times as often.
    pub(crate) lease_term: Duration,
    /// How long a worker waits for a job before it asks again.
    pub(crate) lease_wait: Duration,
    /// The first pause before another attempt; it doubles with each.
    pub(crate) backoff: Duration,
    /// The longest pause before another attempt.
    pub(crate) backoff_max: Duration,
}

impl Engine {
    /// Begins to put an engine together.
    pub fn builder() -> EngineBuilder {
        EngineBuilder::default()
    }

    /// The registered names of deployers and publishers, for messages and `doctor`.
    pub fn drivers(&self) -> (Vec<&str>, Vec<&str>) {
        let deployers = self.0.deployers.keys().map(String::as_str).collect();
        let publishers = self.0.publishers.keys().map(String::as_str).collect();
        (deployers, publishers)
    }
}

impl Parts {
    /// When the job is next worth a worker's while. Where an approver answers, a job that waits for
    /// consent is so at once, whoever began to wait: a worker that dies before it has asked leaves
    /// the asking to the next.
    pub(crate) fn dispatch(&self, state: &JobState, now: Timestamp) -> Dispatch {
        match state.phase {
            Phase::AwaitingApproval if self.approver.is_some() => Dispatch::Ready { at: now },
            _ => state.dispatch(now),
        }
    }

    pub(crate) fn deployer(&self, name: &str) -> Result<&Arc<dyn Deployer>> {
        self.deployers.get(name).ok_or_else(|| unknown_driver("deployer", name, &self.deployers))
    }

    /// Asks every driver a job names whether it takes the settings it will work with.
    pub(crate) fn check_settings(&self, spec: &JobSpec, job: Option<&Job>) -> Result<()> {
        for deployment in &spec.deployments {
            self.deployer(deployment.driver())?.check(deployment)?;
        }
        for publish in &spec.publish {
            self.publisher(&publish.driver)?.check(&publish.config, job)?;
        }
        Ok(())
    }

    pub(crate) fn publisher(&self, name: &str) -> Result<&Arc<dyn Publisher>> {
        self.publishers.get(name).ok_or_else(|| unknown_driver("publisher", name, &self.publishers))
    }
}

fn unknown_driver<T>(what: &'static str, name: &str, known: &BTreeMap<String, T>) -> Error {
    let known: Vec<&str> = known.keys().map(String::as_str).collect();
    Error::invalid(format!("no {what} is registered under this name"))
        .code("unknown_driver")
        .context("name", name)
        .advice(format!("one of: {}", known.join(", ")))
}
