//! Evidence that nobody keeps for long.

use std::{collections::BTreeMap, sync::Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::locked;
use crate::{
    error::Result, evidence::Evidence, id::Digest, plan::StepExecution, traits::EvidenceSink,
};

/// What a [`MemoryEvidence`] was told.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// A check came out.
    Evidence(Box<Evidence>),
    /// A step moved on.
    Step(StepExecution),
    /// Something was said.
    Log(Bytes),
}

/// A sink that keeps what it is told, in order.
#[derive(Debug, Default)]
pub struct MemoryEvidence {
    told: Mutex<Vec<Told>>,
    reports: Mutex<BTreeMap<String, Bytes>>,
}

impl MemoryEvidence {
    /// A sink that was told nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// All of it, in order.
    pub fn told(&self) -> Vec<Told> {
        locked(&self.told).clone()
    }

    /// The evidence, in order.
    pub fn evidence(&self) -> Vec<Evidence> {
        let of = |told| match told {
            Told::Evidence(evidence) => Some(*evidence),
            Told::Step(_) | Told::Log(_) => None,
        };
        self.told().into_iter().filter_map(of).collect()
    }

    /// The evidence of that name.
    pub fn named(&self, name: &str) -> Option<Evidence> {
        self.evidence().into_iter().find(|evidence| evidence.name == name)
    }

    /// What was said of the steps, in order.
    pub fn steps(&self) -> Vec<StepExecution> {
        let of = |told| match told {
            Told::Step(execution) => Some(execution),
            Told::Evidence(_) | Told::Log(_) => None,
        };
        self.told().into_iter().filter_map(of).collect()
    }

    /// Reports by name.
    pub fn reports(&self) -> BTreeMap<String, Bytes> {
        locked(&self.reports).clone()
    }

    /// All that was said, as text.
    pub fn said(&self) -> String {
        let mut bytes = Vec::new();
        for told in locked(&self.told).iter() {
            if let Told::Log(said) = told {
                bytes.extend_from_slice(said);
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[async_trait]
impl EvidenceSink for MemoryEvidence {
    async fn evidence(&self, evidence: Evidence) -> Result<()> {
        locked(&self.told).push(Told::Evidence(Box::new(evidence)));
        Ok(())
    }

    async fn step(&self, execution: StepExecution) -> Result<()> {
        locked(&self.told).push(Told::Step(execution));
        Ok(())
    }

    async fn report(&self, name: &str, _content_type: &str, bytes: Bytes) -> Result<Digest> {
        let digest = Digest::of(&bytes);
        locked(&self.reports).insert(name.to_owned(), bytes);
        Ok(digest)
    }

    fn log(&self, bytes: &[u8]) {
        locked(&self.told).push(Told::Log(Bytes::copy_from_slice(bytes)));
    }
}
